"""Files that are there as a whole or not at all, whenever whoever writes them is killed."""

import os
from pathlib import Path
from tempfile import NamedTemporaryFile


def write_whole(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Puts a file where it is to be, in one step, and only once the disk has it.

    Args:
        path: in a folder that is there; what it holds is replaced.
        data: its content.
        mode: who may read it.

    Raises:
        OSError: the file is as it was, and nothing was left behind.
    """
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
        waiting = Path(file.name)
        try:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
            waiting.replace(path)
        except BaseException:
            waiting.unlink(missing_ok=True)
            raise


def sync_folder(folder: Path) -> None:
    """Waits until the disk has the folder's names."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
