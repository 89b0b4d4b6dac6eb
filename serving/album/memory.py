"""Memory: what became of each photo of a tree, in one small file (SQLite) there, so that work can go on where it ended.

It remembers which photos were turned too: one that a person has changed since is never touched again.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Literal, NamedTuple, Self

from models.errors import RequestError

FILE = ".loupe-upright.sqlite3"
State = Literal["judged", "turned", "left", "undone"]
_COMMIT_EVERY_S = 1.0  # what a crash forgets is judged anew

_ENDED, _BEGUN = 0, 1  # in the file's user_version: whether a process began here and did not come to its end
# Names are bytes, as systems have them: not each is text.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS photos (
    file BLOB PRIMARY KEY, state TEXT NOT NULL, size INTEGER, mtime_ns INTEGER, judge TEXT,
    label TEXT, probability REAL, certain INTEGER, clockwise INTEGER
) WITHOUT ROWID
"""


class Judgement(NamedTuple):
    """What was said of a photo, and how far it was to be turned."""

    label: str
    probability: float
    certain: bool
    clockwise: int


class Known(NamedTuple):
    """What is remembered of a photo; of one that is left alone nothing was said, of one that was put back the day."""

    state: State
    judgement: Judgement | None
    since: str = ""


class Memory:
    """For one thread; one process at a time holds a tree's.

    Attributes:
        was_interrupted: whether the process before did not come to its end, or could not write all.
        trouble: why not all could be written, as where the disk is full; empty if it could.
    """

    def __init__(self, tree: Path, judge: str, *, read_only: bool = False) -> None:
        """Opens the file, or makes it.

        Args:
            tree: the folder.
            judge: who judges, and by which bar: what another judge said of photos that stay as they are is forgotten.
            read_only: notes nothing; where there is no file, nothing is remembered.

        Raises:
            RequestError: another process is at work there, or the file is no such memory.
        """
        self._judge = judge
        self._read_only = read_only
        self._committed = monotonic()
        self._file = tree / FILE
        self.was_interrupted = False
        self.trouble = ""
        try:
            self._connection = self._opened(self._file)
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise RequestError(f"another loupe is at work in {tree}") from None
            raise self._full(error) from None
        except sqlite3.DatabaseError as error:
            raise RequestError(f"{self._file} is damaged ({error}); without it, all photos are judged anew") from None

    def _opened(self, file: Path) -> sqlite3.Connection:
        with ExitStack() as on_error:
            connection = on_error.enter_context(closing(self._connect(file)))
            if self._read_only:
                connection.execute("SELECT file FROM photos LIMIT 1")
            else:
                self._begin(connection)
            on_error.pop_all()
            return connection

    def _connect(self, file: Path) -> sqlite3.Connection:
        if not self._read_only:
            if not file.exists():
                _make(file)
            return sqlite3.connect(file, timeout=0)
        if file.exists():  # rw: what a killed process has left half written is taken back before it is read
            return sqlite3.connect(f"{file.absolute().as_uri()}?mode=rw", uri=True, timeout=0)
        connection = sqlite3.connect(":memory:")
        connection.execute(_SCHEMA)
        return connection

    def _begin(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute(_SCHEMA)
        self.was_interrupted = bool(connection.execute("PRAGMA user_version").fetchone()[0])
        connection.execute(f"PRAGMA user_version = {_BEGUN}")
        connection.commit()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        with self._tolerant():
            if kind is None and not self._read_only and not self.trouble:
                self._execute(f"PRAGMA user_version = {_ENDED}")
            self._commit()
        self._connection.close()

    def recall(self, file: str, facts: os.stat_result) -> Known | None:
        """What is known of a photo as it is now; None if it is to be judged."""
        query = "SELECT state, size, mtime_ns, judge, label, probability, certain, clockwise FROM photos WHERE file = ?"
        row = self._connection.execute(query, (os.fsencode(file),)).fetchone()
        if row is None:
            return None
        state, size, mtime_ns, judge, *said = row
        same = (size, mtime_ns) == (facts.st_size, facts.st_mtime_ns)
        if state == "judged":
            return (
                Known(state, Judgement(said[0], said[1], bool(said[2]), said[3]))
                if same and judge == self._judge
                else None
            )
        if state == "turned" and same:
            return Known(state, Judgement(said[0], said[1], bool(said[2]), said[3]))
        if state == "undone" and same:
            return Known(state, None, since=judge)
        self.leave(file)
        return Known("left", None)

    def note(self, file: str, state: State, facts: os.stat_result, said: Judgement) -> None:
        """Remembers a photo as it is now; one that could not be written down is learnt from the undo log later."""
        with self._tolerant():
            self._put((os.fsencode(file), state, facts.st_size, facts.st_mtime_ns, self._judge, *said))
            if monotonic() - self._committed > _COMMIT_EVERY_S:
                self._commit()

    @contextmanager
    def undoing(self, file: str, size: int, mtime_ns: int) -> Iterator[None]:
        """Within, a photo is put back: until a person changes it, it can be proposed again.

        It is remembered before, so that a kill leaves no doubt; if it fails, what was remembered is so again.

        Raises:
            RequestError: it cannot be written down; nothing is to be done then.
        """
        before = self._connection.execute("SELECT * FROM photos WHERE file = ?", (os.fsencode(file),)).fetchone()
        today = datetime.now().astimezone().date().isoformat()
        self._put((os.fsencode(file), "undone", size, mtime_ns, today, None, None, None, None))
        self._commit()
        try:
            yield
        except Exception:
            self.forget(file)
            with self._tolerant():
                if before is not None:
                    self._put(before)
                self._commit()
            raise

    def forget(self, file: str) -> None:
        """Remembers nothing of a file."""
        with self._tolerant():
            self._execute("DELETE FROM photos WHERE file = ?", (os.fsencode(file),))

    def leave(self, file: str) -> None:
        """From now on the photo is a person's."""
        if not self._read_only:
            with self._tolerant():
                self._execute("INSERT OR REPLACE INTO photos (file, state) VALUES (?, 'left')", (os.fsencode(file),))

    def _put(self, row: tuple[object, ...]) -> None:
        self._execute(f"INSERT OR REPLACE INTO photos VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608

    def _commit(self) -> None:
        """Waits until the disk has it."""
        try:
            self._connection.commit()
        except sqlite3.OperationalError as error:
            raise self._full(error) from None
        self._committed = monotonic()

    def _execute(self, query: str, values: tuple[object, ...] = ()) -> None:
        try:
            self._connection.execute(query, values)
        except sqlite3.OperationalError as error:
            raise self._full(error) from None

    def _full(self, error: sqlite3.OperationalError) -> RequestError:
        return RequestError(f"the memory {self._file} cannot be written: {error}")

    @contextmanager
    def _tolerant(self) -> Iterator[None]:
        """Photos are turned, and their log written, though it cannot be remembered here."""
        try:
            yield
        except RequestError as error:
            self.trouble = str(error)


def _make(file: Path) -> None:
    """Whoever may write in the folder may write it: people who share one go on where others ended."""
    folder = file.parent.stat()
    with suppress(OSError):  # where we are not in the folder's group, it stays ours
        file.touch()
        os.chown(file, -1, folder.st_gid)
        file.chmod(folder.st_mode & 0o666)
