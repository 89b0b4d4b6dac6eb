"""Undoing: what an undo log tells of is put back."""

import errno
import os
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from hashlib import sha256
from pathlib import Path
from typing import Literal, NamedTuple

from models.errors import LoupeError, RequestError
from models.whole_file import sync_folder
from serving.album.difference import restored
from serving.album.memory import Memory
from serving.album.originals import Originals
from serving.album.replacing import commit, prepare
from serving.album.undo_log import Entry, entries


class Undone(NamedTuple):
    """What became of one photo, and why it was not put back."""

    photo: Path
    action: Literal["restored", "as_before", "skipped", "failed"]
    reason: str


class Undoing:
    """In one tree, whose memory hears of it."""

    def __init__(self, tree: Path, memory: Memory) -> None:
        self._tree = tree
        self._memory = memory

    def of(self, log: Path) -> Iterator[Undone]:
        """Puts back, file by file.

        Raises:
            RequestError: it is no undo log.
        """
        for number, entry in enumerate(entries(log)):
            if not number:
                with suppress(OSError):
                    os.utime(log)  # so that it is the newest: that one is looked into after a kill
            yield self._undone(entry)
        Originals(log).forget()

    def _undone(self, entry: Entry) -> Undone:
        photo = self._tree / entry.file
        try:
            self._refuse_outside(photo)
            return self._put_back(photo, entry) if entry.before else self._take_away(photo, entry)
        except FileNotFoundError:
            return Undone(photo, "skipped", "it is not there any more")
        except (OSError, LoupeError) as error:
            return Undone(photo, "failed", str(error))

    def _put_back(self, photo: Path, entry: Entry) -> Undone:
        data = photo.read_bytes()
        digest = sha256(data).hexdigest()
        if digest not in (entry.before, entry.after):
            return Undone(photo, "skipped", "it was changed since")
        if digest == entry.after:
            old = self._original(data, entry)
            with self._memory.undoing(entry.file, len(old), entry.mtime_ns):
                self._replace(photo, old, entry)
        elif photo.stat().st_mtime_ns != entry.mtime_ns:
            with self._memory.undoing(entry.file, len(data), entry.mtime_ns):
                os.utime(photo, ns=(photo.stat().st_atime_ns, entry.mtime_ns))
        else:
            return Undone(photo, "as_before", "")
        return Undone(photo, "restored", "")

    def _take_away(self, file: Path, entry: Entry) -> Undone:
        """A new sidecar, unless somebody has written into it; its photo is left alone as one that was put back."""
        if not file.exists():
            return Undone(file, "as_before", "")
        if sha256(file.read_bytes()).hexdigest() != entry.after:
            return Undone(file, "skipped", "it was changed since")
        photo = file.with_suffix("")
        facts = photo.stat() if photo.exists() else None
        name = str(photo.relative_to(self._tree))
        with self._memory.undoing(name, facts.st_size, facts.st_mtime_ns) if facts else nullcontext():
            file.unlink()
            sync_folder(file.parent)
        self._memory.forget(entry.file)
        return Undone(file, "restored", "")

    def _original(self, data: bytes, entry: Entry) -> bytes:
        """The old bytes, as the log or the file beside it keeps them."""
        if entry.patches is not None:
            old = restored(data, entry.patches)
        else:
            kept = self._tree / str(entry.original)
            self._refuse_outside(kept)
            if not kept.exists():
                raise RequestError("its original is not there any more")
            old = kept.read_bytes()
        if sha256(old).hexdigest() != entry.before:
            raise RequestError("what the log keeps of it is damaged")
        return old

    def _replace(self, photo: Path, old: bytes, entry: Entry) -> None:
        """In one step; where the original is kept as a file, that file itself comes back."""
        kept = None if entry.original is None else self._tree / entry.original
        if kept is None or not _moved(kept, photo):
            commit(prepare(photo, old, entry.mtime_ns), photo)
            if kept is not None:
                kept.unlink()

    def _refuse_outside(self, path: Path) -> None:
        if not path.resolve().is_relative_to(self._tree.resolve()):
            raise RequestError("the log tells of a file outside of its folder")


def _moved(kept: Path, photo: Path) -> bool:
    """False where the photo's folder is another file system, as one that is mounted in the tree."""
    try:
        kept.replace(photo)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return False
    sync_folder(photo.parent)
    return True
