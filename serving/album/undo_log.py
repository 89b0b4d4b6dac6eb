"""UndoLog: one line for each photo before it is changed, from which its old bytes and time can be restored."""

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from io import FileIO
from pathlib import Path
from typing import Any, Self

from models.errors import RequestError
from models.whole_file import sync_folder
from serving.album.difference import Patch, difference, restored
from serving.album.originals import Originals

NAME = "loupe-undo-"
_FORMAT: dict[str, object] = {"loupe_undo": 1}
_MOST_PATCHED_BYTES = 64 * 1024  # beyond, the original is kept as a file


@dataclass(frozen=True)
class Entry:
    """One photo's change.

    Attributes:
        file: its path below the log's folder.
        before: digest of its old bytes; empty where the file is new, such as a sidecar.
        after: digest of its new ones.
        mtime_ns: its old time of change.
        patches: how the old bytes come from the new ones, or
        original: where the old file is kept, below the log's folder.
    """

    file: str
    before: str
    after: str
    mtime_ns: int
    patches: list[Patch] | None = None
    original: str | None = None

    def to_json(self) -> dict[str, object]:
        """A line of the log."""
        kept = {"original": self.original} if self.patches is None else {"patches": [p.to_json() for p in self.patches]}
        facts = {"file": self.file, "before": self.before, "after": self.after, "mtime_ns": self.mtime_ns}
        return {**facts, **kept}

    @classmethod
    def from_json(cls, line: dict[str, Any]) -> Self:
        """Reads it back; KeyError, TypeError or ValueError if it is none."""
        patches = [Patch.from_json(one) for one in line["patches"]] if "patches" in line else None
        facts = str(line["file"]), str(line["before"]), str(line["after"]), int(line["mtime_ns"])
        return cls(*facts, patches, None if patches is not None else str(line["original"]))


class UndoLog:
    """Written by one process, from any thread.

    Attributes:
        path: of the file, which is made with the first entry.
        begun: whether there is anything to undo.
        originals: those that are kept as files.
    """

    def __init__(self, tree: Path) -> None:
        self._tree = tree
        self._lock = threading.Lock()
        self._file: FileIO | None = None
        self.begun = False
        self.path = _free_name(tree)
        self.originals = Originals(self.path)

    def note_new(self, file: Path, after: bytes) -> None:
        """Writes down a file that is about to be made."""
        with self._lock:
            self._write(Entry(str(file.relative_to(self._tree)), "", _digest(after), 0, []))

    def note(self, photo: Path, before: bytes, after: bytes, mtime_ns: int) -> Path | None:
        """Writes down a change that is about to happen; returns once the disk has it.

        Returns:
            Where the original is kept; None where the log itself holds what changes.

        Raises:
            OSError: nothing was noted, and nothing is kept.
        """
        file = str(photo.relative_to(self._tree))
        patches = difference(before, after)
        digests = _digest(before), _digest(after)
        with self._lock:
            if sum(len(patch.old) for patch in patches) <= _MOST_PATCHED_BYTES and restored(after, patches) == before:
                self._write(Entry(file, *digests, mtime_ns, patches))
                return None
            kept = self.originals.keep(photo)
            try:
                self._write(Entry(file, *digests, mtime_ns, original=str(kept.relative_to(self._tree))))
            except BaseException:
                self.originals.drop(kept)
                raise
            return kept

    def close(self) -> None:
        """Ends the file, if there is one."""
        if self._file is not None:
            self._file.close()
            if not self.begun:
                self.path.unlink(missing_ok=True)

    def _write(self, entry: Entry) -> None:
        if self._file is None:
            self._file = self._begin()
        _append(self._file, entry.to_json())
        self.begun = True

    def _begin(self) -> FileIO:
        """A file of which the disk has the first line, or none: without it, what follows could not be read."""
        file = FileIO(self.path, "x", opener=_for_us_alone)
        try:
            _append(file, _FORMAT)
            sync_folder(self.path.parent)
        except BaseException:
            file.close()
            self.path.unlink()
            raise
        return file


def _for_us_alone(path: str, flags: int) -> int:
    """Small photos stand in the log as a whole, and not everybody may read each of them."""
    return os.open(path, flags, 0o600)


def _append(file: FileIO, line: dict[str, object]) -> None:
    """All of it, or nothing: half a line would spoil those that follow once the disk has room again."""
    start, left = file.tell(), memoryview(json.dumps(line).encode() + b"\n")
    try:
        while left:
            left = left[file.write(left) :]
        os.fsync(file.fileno())
    except OSError:
        file.truncate(start)
        file.seek(start)
        raise


def entries(log: Path) -> Iterator[Entry]:
    """Reads a log; a last line that was cut off by a crash belongs to a change that never happened.

    Raises:
        RequestError: the file cannot be read, is no undo log, or a line within it is broken.
    """
    try:
        file = log.open("rb")
    except OSError as error:
        raise RequestError(f"{log} cannot be read: {error.strerror}") from None
    with file as lines:
        if _parsed(lines.readline()) != _FORMAT:
            raise RequestError(f"{log} is no undo log")
        for number, line in enumerate(lines, 2):
            if not line.endswith(b"\n"):
                return
            try:
                yield Entry.from_json(_parsed(line))
            except (KeyError, TypeError, ValueError):
                raise RequestError(f"line {number} of {log} is broken") from None


def _parsed(line: bytes) -> Any:  # noqa: ANN401 - it is JSON
    try:
        return json.loads(line)
    except ValueError:
        return None


def _digest(data: bytes) -> str:
    return sha256(data).hexdigest()


def _free_name(tree: Path) -> Path:
    stem = f"{NAME}{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    names = (tree / f"{stem}{suffix}.jsonl" for suffix in ("", *(f"-{number}" for number in range(2, 1000))))
    return next(path for path in names if not path.exists())
