"""Replacing a file: at any moment the old one or the new one is there, and nothing between."""

import os
import shutil
import tempfile
from contextlib import nullcontext, suppress
from pathlib import Path

from models.errors import NotOursError
from models.whole_file import sync_folder

PREFIX, SUFFIX = ".loupe-", ".tmp"
"""How the names of files begin and end that wait to replace others; a process that was killed may leave some."""


def prepare(path: Path, data: bytes, mtime_ns: int | None = None, *, new: bool = False) -> Path:
    """Writes what is to replace a file beside it, and waits until the disk has it.

    Args:
        path: its mode, owner, extended attributes and times are taken over.
        data: the new bytes.
        mtime_ns: a time of change other than the file's.
        new: whether it is to stand beside the file: then it may be ours where that is another's.

    Raises:
        NotOursError: its owner or group would be another; nothing was left behind.
        OSError: nothing was left behind.
    """
    descriptor, name = tempfile.mkstemp(prefix=PREFIX, suffix=SUFFIX, dir=path.parent)
    waiting = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            facts = path.stat()
            with suppress(NotOursError) if new else nullcontext():
                keep_owner(file.fileno(), facts)
            file.write(data)
            file.flush()
            shutil.copystat(path, waiting)
            if mtime_ns is not None:
                os.utime(waiting, ns=(facts.st_atime_ns, mtime_ns))
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
                with suppress(OSError):  # another user's, say; it harms nobody
                    Path(folder, name).unlink()


def keep_owner(descriptor: int, facts: os.stat_result) -> None:
    """Gives a new file to those whom the old one belongs to: the mode is taken over, and says what each of them may do.

    Raises:
        NotOursError: only root gives files away, and only members give them to a group.
    """
    given = os.fstat(descriptor)
    if given.st_gid != facts.st_gid:
        _give(descriptor, -1, facts.st_gid, "it belongs to a group that you are not in, which would lose it")
    if given.st_uid != facts.st_uid:
        _give(descriptor, facts.st_uid, -1, "it belongs to another user, who would lose it")


def refuse_others(path: Path, facts: os.stat_result) -> None:
    """Looks whether a file can be replaced by one of the same owner and group, before anything is written.

    Raises:
        NotOursError: it cannot.
        OSError: its folder cannot be written.
    """
    if (facts.st_uid, facts.st_gid) != (os.geteuid(), os.getegid()):
        with tempfile.TemporaryFile(prefix=PREFIX, suffix=SUFFIX, dir=path.parent) as file:
            keep_owner(file.fileno(), facts)


def _give(descriptor: int, user: int, group: int, otherwise: str) -> None:
    try:
        os.fchown(descriptor, user, group)
    except OSError:
        raise NotOursError(otherwise) from None
