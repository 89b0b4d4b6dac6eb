"""Album: a tree of photos while some of them are turned, or put back."""

import os
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from time import time_ns
from typing import Self

from models.errors import ChangedMeanwhileError
from models.whole_file import sync_folder
from serving.album.gate import Gate
from serving.album.memory import Judgement, Known, Memory
from serving.album.recovery import last_changes, release_originals
from serving.album.replacing import commit, prepare, sweep
from serving.album.undo_log import UndoLog
from serving.album.undoing import Undoing, Undone


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

    @property
    def trouble(self) -> str:
        """Why not all can be remembered, as where the disk is full; empty if it can."""
        return self._memory.trouble

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
                _place(waiting, file)
            except FileExistsError:
                raise ChangedMeanwhileError(f"{file.name} was made by another program meanwhile") from None
            finally:
                waiting.unlink(missing_ok=True)
            sync_folder(file.parent)
            return file.stat()

    def undo(self, log: Path) -> Iterator[Undone]:
        """Puts back what the log tells of, file by file; those are left alone unless they are asked for again.

        Raises:
            RequestError: it is no undo log.
        """
        yield from Undoing(self._tree, self._memory).of(log)

    def _recover(self) -> None:
        """Learns from the last log what the memory of a killed process lacks."""
        said = Judgement("", 0.0, certain=True, clockwise=0)
        for entry in last_changes(self._tree):
            photo = self._tree / entry.file
            with suppress(OSError):  # what cannot be read is told where it is looked at
                if sha256(photo.read_bytes()).hexdigest() == entry.after:
                    self._memory.note(entry.file, "turned", photo.stat(), said)

    def _name(self, photo: Path) -> str:
        return str(photo.relative_to(self._tree))


def _place(waiting: Path, file: Path) -> None:
    """Replaces nothing; FileExistsError if something is there."""
    try:
        os.link(waiting, file)
    except FileExistsError:
        raise
    except OSError:  # no file has two names there, as on a camera's card
        if file.exists():
            raise FileExistsError(file) from None
        waiting.replace(file)


def _identity(facts: os.stat_result) -> tuple[int, int, int, int]:
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns
