"""Control groups as files: those that the process is in, of either version."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

MOUNT = Path("/sys/fs/cgroup")
"""Where they are."""

OWN = Path("/proc/self/cgroup")
"""The file that names those of the process, one line each: ``number:controllers:path``."""


def groups(controller: str, mount: Path, own: Path) -> Iterator[Path]:
    """Yields the folders of those that the process is in, and of those around them, whose limits hold inside."""
    for line in (read(own) or "").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers or controller in controllers.split(","):
            root = mount / controller if controllers else mount
            group = PurePosixPath(path.lstrip("/"))
            # A container may be told its path outside, of which nothing but the root is to be seen inside.
            yield from (root / one for one in (group, *group.parents))


def read(file: Path) -> str | None:
    """A file's text; None if there is no such file."""
    try:
        return file.read_text(encoding="ascii")
    except OSError:
        return None
