"""Album: a tree of photos while some of them are turned, or put back."""

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from time import time_ns
from typing import Literal, NamedTuple, Self

from models.errors import ChangedMeanwhileError, LoupeError, RequestError
from models.whole_file import sync_folder
from serving.album.difference import restored
from serving.album.gate import Gate
from serving.album.memory import Judgement, Known, Memory
from serving.album.originals import Originals
from serving.album.recovery import last_changes, release_originals
from serving.album.replacing import commit, prepare, sweep
from serving.album.undo_log import Entry, UndoLog, entries


class Album:
    """One process at a time works on a tree. What a killed one left half done is cleaned up or completed on entry."""

    def __init__(self, tree: Path, judge: str, *, read_only: bool = False) -> None:
        """Opens the tree.

        Args:
            tree: the folder.
            judge: see ``Memory``.
            read_only: for looking only: nothing is written.

        Raises:
            RequestError: another process is at work there, or nothing can be written.
        """
        self._tree = tree
        self._memory = Memory(tree, judge, read_only=read_only)
        self.log = UndoLog(tree)
        self._changes = Gate()

    def __enter__(self) -> Self:
        self._memory.__enter__()
        if self._memory.was_interrupted:
            sweep(self._tree)
            release_originals(self._tree)
            self._recover()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._changes.close()  # threads go on for a moment after Ctrl-C
        self.log.close()
        self._memory.__exit__(kind)

    def recall(self, photo: Path, facts: os.stat_result) -> Known | None:
        """What is known of a photo as it is now; None if it is to be judged."""
        return self._memory.recall(self._name(photo), facts)

    def note_judged(self, photo: Path, facts: os.stat_result, said: Judgement) -> None:
        """Remembers what was said of a photo that stays as it is."""
        self._memory.note(self._name(photo), "judged", facts, said)

    def note_turned(self, photo: Path, facts: os.stat_result, said: Judgement) -> None:
        """Remembers a photo that ``replace`` has changed, as it is now."""
        self._memory.note(self._name(photo), "turned", facts, said)

    def replace(self, photo: Path, facts: os.stat_result, before: bytes, after: bytes) -> os.stat_result:
        """Writes the undo log, then the photo; from any thread.

        Args:
            photo: the file.
            facts: as they were when it was read; its time and mode stay.
            before: its bytes.
            after: its bytes to come.

        Raises:
            ChangedMeanwhileError: it is no longer the file that was read.
            NotOursError: its owner would lose it.
            ServiceError: the album is closed.
            OSError: it is as it was.
        """
        with self._changes.passed():
            waiting = prepare(photo, after)
            try:
                if _identity(photo.stat()) != _identity(facts):
                    raise ChangedMeanwhileError("the file was changed while it was judged")
                kept = self.log.note(photo, before, after, facts.st_mtime_ns)
            except BaseException:
                waiting.unlink(missing_ok=True)
                raise
            self._commit(waiting, photo, facts, kept)
            return photo.stat()

    def _commit(self, waiting: Path, photo: Path, facts: os.stat_result, kept: Path | None) -> None:
        try:
            commit(waiting, photo)
        except OSError:
            if kept is not None and _identity(photo.stat()) == _identity(facts):
                self.log.originals.drop(kept)
            raise

    def create(self, file: Path, beside: Path, data: bytes) -> os.stat_result:
        """Writes the undo log, then a new file; from any thread.

        Args:
            file: where nothing is yet.
            beside: the photo that it belongs to, whose mode and owner it gets.
            data: its bytes.

        Raises:
            ChangedMeanwhileError: something is there by now.
            ServiceError: the album is closed.
            OSError: nothing was made.
        """
        with self._changes.passed():
            waiting = prepare(beside, data, time_ns(), new=True)
            try:
                self.log.note_new(file, data)
                os.link(waiting, file)  # which replaces nothing
            except FileExistsError:
                raise ChangedMeanwhileError(f"{file.name} was made by another program meanwhile") from None
            finally:
                waiting.unlink(missing_ok=True)
            sync_folder(file.parent)
            return file.stat()

    def undo(self, log: Path) -> Iterator["Undone"]:
        """Puts back what the log tells of, file by file; those are left alone unless they are asked for again.

        Raises:
            RequestError: it is no undo log.
        """
        for entry in entries(log):
            yield self._undone(entry)
        Originals(log).forget()

    def _undone(self, entry: Entry) -> "Undone":
        photo = self._tree / entry.file
        try:
            self._refuse_outside(photo)
            if not entry.before:
                return _unmade(photo, entry)
            data = photo.read_bytes()
            digest = sha256(data).hexdigest()
            if digest not in (entry.before, entry.after):
                return Undone(photo, "skipped", "it was changed since")
            if digest == entry.after:
                old = self._original(data, entry)
                self._note_undone(entry, len(old))
                self._put_back(photo, old, entry)
            elif photo.stat().st_mtime_ns != entry.mtime_ns:
                self._note_undone(entry, len(data))
                os.utime(photo, ns=(photo.stat().st_atime_ns, entry.mtime_ns))
            else:
                return Undone(photo, "as_before", "")
        except FileNotFoundError:
            return Undone(photo, "skipped", "it is not there any more")
        except (OSError, LoupeError) as error:
            return Undone(photo, "failed", str(error))
        return Undone(photo, "restored", "")

    def _note_undone(self, entry: Entry, size: int) -> None:
        self._memory.note_undone(entry.file, size, entry.mtime_ns)
        self._memory.commit()

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
        self._refuse_other(old, entry)
        return old

    def _put_back(self, photo: Path, old: bytes, entry: Entry) -> None:
        if entry.patches is not None:
            commit(prepare(photo, old, entry.mtime_ns), photo)
        else:
            (self._tree / str(entry.original)).replace(photo)
            sync_folder(photo.parent)

    def _recover(self) -> None:
        """Learns from the last log what the memory of a killed process lacks."""
        for entry in last_changes(self._tree):
            photo = self._tree / entry.file
            if photo.is_file() and sha256(photo.read_bytes()).hexdigest() == entry.after:
                said = Judgement("", 0.0, certain=True, clockwise=0)
                self._memory.note(entry.file, "turned", photo.stat(), said)

    def _refuse_outside(self, path: Path) -> None:
        if not path.resolve().is_relative_to(self._tree.resolve()):
            raise RequestError("the log tells of a file outside of its folder")

    def _refuse_other(self, old: bytes, entry: Entry) -> None:
        if sha256(old).hexdigest() != entry.before:
            raise RequestError("what the log keeps of it is damaged")

    def _name(self, photo: Path) -> str:
        return str(photo.relative_to(self._tree))


def _unmade(file: Path, entry: Entry) -> "Undone":
    """Takes away what was made, unless somebody has written into it."""
    if not file.exists():
        return Undone(file, "as_before", "")
    if sha256(file.read_bytes()).hexdigest() != entry.after:
        return Undone(file, "skipped", "it was changed since")
    file.unlink()
    sync_folder(file.parent)
    return Undone(file, "restored", "")


class Undone(NamedTuple):
    """What became of one photo, and why it was not put back."""

    photo: Path
    action: Literal["restored", "as_before", "skipped", "failed"]
    reason: str


def _identity(facts: os.stat_result) -> tuple[int, int, int, int]:
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns
