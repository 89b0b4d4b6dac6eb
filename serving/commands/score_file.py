"""Files of scores: CSV, JSON lines or Parquet, which can be gone on with, also after a crash."""

import csv
import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from models.errors import RequestError
from models.extras import how_to_install
from serving.commands.score import COLUMNS, Score

SUFFIXES = (".csv", ".jsonl", ".parquet")


class Scores(Protocol):
    """Where scores are kept.

    Attributes:
        held: the files whose scores it held when it was opened.
        written: how many were added since.
    """

    held: set[str]
    written: int

    def write(self, score: Score) -> None:
        """Keeps one file's; in one piece, whenever the process is killed."""


@contextmanager
def open_scores(output: Path) -> Iterator[Scores]:
    """Opens a file of scores by its suffix, or makes it.

    Raises:
        RequestError: it cannot be written or gone on with, or Parquet lacks its extra.
    """
    if output.suffix.lower() == ".parquet":
        with _parquet(output) as scores:
            yield scores
        return
    with _Lines(output, _CSV if output.suffix.lower() == ".csv" else _JSON) as lines:
        yield lines


class _Csv:
    header = ",".join(COLUMNS) + "\n"

    @staticmethod
    def encode(score: Score) -> str:
        text = io.StringIO()
        csv.DictWriter(text, COLUMNS, lineterminator="\n").writerows(score.rows())
        return text.getvalue()

    @staticmethod
    def files(path: Path) -> Iterator[str]:
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            for row in csv.DictReader(file):
                yield row["file"]


class _Json:
    header = ""

    @staticmethod
    def encode(score: Score) -> str:
        return json.dumps(score.to_json()) + "\n"

    @staticmethod
    def files(path: Path) -> Iterator[str]:
        with path.open(encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)["file"]


class _Rows(_Json):
    """The lines that become rows of a Parquet file."""

    @staticmethod
    def encode(score: Score) -> str:
        return "".join(json.dumps(row) + "\n" for row in score.rows())


_CSV, _JSON, _ROWS = _Csv(), _Json(), _Rows()


class _Lines:
    def __init__(self, path: Path, form: _Csv | _Json) -> None:
        self._form = form
        self.written = 0
        try:
            with path.open("ab"):
                _drop_torn_line(path)
            self.held = set(form.files(path))
            self._file = path.open("ab")
            if not self._file.tell():
                self._file.write(form.header.encode())
        except OSError as error:
            raise RequestError(f"{path} cannot be written: {error.strerror}") from None
        except (ValueError, KeyError, TypeError):
            raise RequestError(f"{path} holds something else than scores; name another --output") from None

    def __enter__(self) -> "_Lines":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, score: Score) -> None:
        """In one call of the system: a killed process leaves all of it or nothing."""
        self._file.write(self._form.encode(score).encode("utf-8", "surrogateescape"))
        self._file.flush()
        self.written += 1


def _drop_torn_line(path: Path) -> None:
    """A full disk or a lost one may leave half a line at the end."""
    data = path.read_bytes()
    if data and not data.endswith(b"\n"):
        os.truncate(path, data.rfind(b"\n") + 1)


@contextmanager
def _parquet(output: Path) -> Iterator[Scores]:
    """Parquet cannot be appended to: rows gather in a file of lines beside it, and become part of it at the end."""
    if find_spec("pyarrow") is None:
        raise RequestError(
            f"Parquet files need the extra `parquet`, which is not installed: {how_to_install('parquet')}"
        )
    from serving.commands.parquet import files, merge

    gathered = output.with_name(f".{output.name}.part")
    with _Lines(gathered, _ROWS) as lines:
        lines.held |= files(output)
        yield lines
    merge(gathered, output)
    gathered.unlink()
