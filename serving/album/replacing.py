"""Replacing a file: at any moment the old one or the new one is there, and nothing between."""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from models.whole_file import sync_folder

PREFIX, SUFFIX = ".loupe-", ".tmp"
"""How the names of files begin and end that wait to replace others; a process that was killed may leave some."""


def prepare(path: Path, data: bytes, mtime_ns: int | None = None) -> Path:
    """Writes what is to replace a file beside it, and waits until the disk has it.

    Args:
        path: its mode, owner, extended attributes and times are taken over.
        data: the new bytes.
        mtime_ns: a time of change other than the file's.

    Raises:
        OSError: nothing was left behind.
    """
    descriptor, name = tempfile.mkstemp(prefix=PREFIX, suffix=SUFFIX, dir=path.parent)
    waiting = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            _take_over(path, waiting, mtime_ns)
            os.fsync(file.fileno())
    except BaseException:
        waiting.unlink(missing_ok=True)
        raise
    return waiting


def commit(waiting: Path, path: Path) -> None:
    """Puts the one in the other's place.

    Raises:
        OSError: the file is as it was, and nothing was left behind.
    """
    try:
        waiting.replace(path)
    except OSError:
        waiting.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sweep(tree: Path) -> None:
    """Removes what a killed process has left."""
    for folder, _, names in os.walk(tree):
        for name in names:
            if name.startswith(PREFIX) and name.endswith(SUFFIX):
                Path(folder, name).unlink(missing_ok=True)


def _take_over(path: Path, waiting: Path, mtime_ns: int | None) -> None:
    facts = path.stat()
    with suppress(PermissionError):  # only root gives files away
        os.chown(waiting, facts.st_uid, facts.st_gid)
    shutil.copystat(path, waiting)
    if mtime_ns is not None:
        os.utime(waiting, ns=(facts.st_atime_ns, mtime_ns))
