"""Files of scores: CSV, JSON lines or Parquet, which can be gone on with, also after a crash."""

import csv
import errno
import fcntl
import os
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO, Protocol

from models.errors import OtherModelsError, RequestError
from models.extras import how_to_install
from serving.scoring.lines import CSV, JSON, ROWS, Lines, Told
from serving.scoring.score import Score

SUFFIXES = (".csv", ".jsonl", ".parquet")
_BLOCK = 64 * 1024


class Scores(Protocol):
    """Where scores are kept.

    Attributes:
        told: what it held when it was opened.
        written: how many files were added since.
    """

    told: Told
    written: int

    def write(self, score: Score) -> None:
        """Keeps one file's; in one piece, whenever the process is killed."""

    def forget_failures(self, files: Iterable[str]) -> None:
        """Makes place for new answers of files that have failed before."""


@contextmanager
def open_scores(output: Path, models: Collection[str]) -> Iterator[Scores]:
    """Opens a file of scores by its suffix, or makes it.

    Args:
        output: the file.
        models: that are asked.

    Raises:
        RequestError: it cannot be written or gone on with, or another run does; or Parquet lacks its extra.
        OtherModelsError: it holds the answers of other models.
    """
    if output.suffix.lower() == ".parquet":
        with _parquet(output, models) as scores:
            yield scores
        return
    with _ScoreLines(output, CSV if output.suffix.lower() == ".csv" else JSON, Told.by(())) as lines:
        _refuse_others(output, lines.told, models)
        yield lines


def _refuse_others(output: Path, told: Told, models: Collection[str]) -> None:
    if told.models and told.models != set(models):
        held, asked = (", ".join(sorted(names)) for names in (told.models, models))
        raise OtherModelsError(f"{output} holds the answers of {held}, and {asked} would be asked; name another file")


class _ScoreLines:
    def __init__(self, path: Path, form: Lines, told: Told) -> None:
        self._path, self._form, self.told = path, form, told
        self.written = 0
        try:
            with _telling(path), ExitStack() as on_error:
                self._file = on_error.enter_context(path.open("ab"))
                _lock(self._file, path)
                _check_beginning(path, form)
                told.note(form.entries(path))
                _drop_torn_line(path)  # only now: a person's file stays as it is to its last byte
                self._file.seek(0, os.SEEK_END)
                on_error.pop_all()
        except (csv.Error, ValueError, KeyError, TypeError, AttributeError):
            raise RequestError(f"{path} holds something else than scores; name another --output") from None

    def __enter__(self) -> "_ScoreLines":
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # of what could not be written before, and was told
            self._file.close()

    def write(self, score: Score) -> None:
        """In one call of the system: a killed process leaves all of it or nothing."""
        begin = "" if self._file.tell() else self._form.header
        with _telling(self._path):
            self._file.write((begin + self._form.encode(score)).encode("utf-8", "surrogateescape"))
            self._file.flush()
        self.written += 1

    def forget_failures(self, files: Iterable[str]) -> None:
        """A new file takes the old one's place in one step; what was forgotten is asked about again in any case."""
        again = self.told.failures(files)
        if not len(again):
            return
        waiting = self._path.with_name(f".{self._path.name}.tmp")
        with _telling(waiting), ExitStack() as on_error:
            file = on_error.enter_context(waiting.open("wb"))
            for text in self._form.without(self._path, again):
                file.write(text.encode("utf-8", "surrogateescape"))
            file.flush()
            shutil.copymode(self._path, waiting)
            _lock(file, waiting)
            waiting.replace(self._path)
            on_error.pop_all()
        self._file.close()
        self._file = file


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:  # pyarrow's have long texts of their own
        raise RequestError(f"{path} cannot be written: {os.strerror(error.errno or errno.EIO)}") from None


def _lock(file: BinaryIO, path: Path) -> None:
    """The system gives it up with the process, however that ends."""
    taken = RequestError(f"another loupe predict writes into {path}")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise taken from None
    except OSError:  # the file system knows no locks
        return
    if not path.exists() or not os.path.samestat(os.fstat(file.fileno()), path.stat()):
        raise taken  # and has put another file in its place, or come to its end


def _check_beginning(path: Path, form: Lines) -> None:
    with path.open("rb") as file:
        begin = file.read(len(form.start))
        line = begin + (file.readline() if begin == form.start.encode() else b"")
    if line and not form.begins(line.decode("utf-8", "surrogateescape")):
        raise ValueError("it begins otherwise")


def _drop_torn_line(path: Path) -> None:
    """A full disk or a lost one may leave half a line at the end."""
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            begin = max(end - _BLOCK, 0)
            file.seek(begin)
            if (found := file.read(end - begin).rfind(b"\n")) >= 0:
                file.truncate(begin + found + 1)
                return
            end = begin
        file.truncate(0)


@contextmanager
def _parquet(output: Path, models: Collection[str]) -> Iterator[Scores]:
    """Parquet cannot be appended to: rows gather in a file of lines beside it, and become part of it at the end."""
    if find_spec("pyarrow") is None:
        raise RequestError(
            f"Parquet files need the extra `parquet`, which is not installed: {how_to_install('parquet')}"
        )
    from serving.scoring.parquet import entries, merge

    gathered = output.with_name(f".{output.name}.part")
    held = Told.by(entries(output))
    _refuse_others(output, held, models)
    with _ScoreLines(gathered, ROWS, held) as lines:
        _refuse_others(output, lines.told, models)
        yield lines
        with _telling(output):
            merge(gathered, output)  # as long as nobody else may
            gathered.unlink()
