"""How scores look as lines of text, and what such lines tell."""

import csv
import io
import json
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, Self

from serving.scoring.names import Names
from serving.scoring.score import COLUMNS, Score

_BYTES = "surrogateescape"  # file names need not be text


class Entry(NamedTuple):
    """What a line or row tells of a file: the models that answered, and whether it failed."""

    file: str
    models: frozenset[str]
    failed: bool


@dataclass(frozen=True)
class Told:
    """What files of scores hold; names are kept on disk, as there may be millions.

    Attributes:
        answered: the files that were.
        failed: those that have failed at some time, the answered ones among them included.
        models: those that answered.
    """

    answered: Names
    failed: Names
    models: set[str]

    @classmethod
    def by(cls, entries: Iterable[Entry]) -> Self:
        """Sums entries up."""
        told = cls(Names(), Names(), set())
        told.note(entries)
        return told

    def note(self, entries: Iterable[Entry]) -> None:
        """Adds what further entries tell."""
        for entry in entries:
            (self.failed if entry.failed else self.answered).add(entry.file)
            self.models.update(entry.models)

    def holds(self, file: str) -> bool:
        """Whether anything is told of a file."""
        return file in self.answered or file in self.failed

    def failures(self, files: Iterable[str]) -> Names:
        """Those of these files that failed and were not answered since."""
        found = Names()
        for file in files if len(self.failed) else ():
            if file in self.failed and file not in self.answered:
                found.add(file)
        return found


class Lines(Protocol):
    """A form of lines, as ``CSV``, ``JSON`` and ``ROWS`` are."""

    header: str
    start: str
    """Of each such file."""

    def begins(self, line: str) -> bool:
        """Whether this may be the first line of such a file; without its end, one that a full disk has cut off."""

    def encode(self, score: Score) -> str:
        """The lines of one file."""

    def entries(self, path: Path) -> Iterator[Entry]:
        """What a file of such lines tells, but for a last one that was cut off.

        Raises:
            csv.Error, ValueError, KeyError, TypeError, AttributeError: a line is none of such.
        """

    def without(self, path: Path, failed: Container[str]) -> Iterator[str]:
        """Its text but for the failures of some files."""


def _whole(path: Path) -> Iterator[str]:
    """The lines that have their end."""
    with path.open(newline="\n", encoding="utf-8", errors=_BYTES) as file:
        yield from (line for line in file if line.endswith("\n"))


class _Csv:
    start = ",".join(COLUMNS)
    header = f"{start}\n"

    @classmethod
    def begins(cls, line: str) -> bool:
        return line.rstrip("\r\n") == cls.start or (not line.endswith("\n") and cls.header.startswith(line))

    @classmethod
    def encode(cls, score: Score) -> str:
        return "".join(map(cls._line, score.rows()))

    @classmethod
    def entries(cls, path: Path) -> Iterator[Entry]:
        return map(_row_entry, cls._rows(path))

    @classmethod
    def without(cls, path: Path, failed: Container[str]) -> Iterator[str]:
        yield cls.header
        for row in cls._rows(path):
            if not (row["error"] and row["file"] in failed):
                yield cls._line(row)

    @staticmethod
    def _rows(path: Path) -> Iterator[dict[str, str]]:
        for row in csv.DictReader(_whole(path)):
            if tuple(row) != COLUMNS or None in row.values():
                raise ValueError("a row has other columns")
            yield row

    @staticmethod
    def _line(row: dict[str, object] | dict[str, str]) -> str:
        text = io.StringIO()
        csv.DictWriter(text, COLUMNS, lineterminator="\r\n").writerow(row)  # so that a name with a \r is quoted too
        return text.getvalue().removesuffix("\r\n") + "\n"


class _Json:
    header = ""
    start = '{"file":'

    @classmethod
    def begins(cls, line: str) -> bool:
        if line.endswith("\n"):
            return line.startswith(cls.start)
        return cls.start.startswith(line[: len(cls.start)]) and not _is_json(line)

    @staticmethod
    def encode(score: Score) -> str:
        return json.dumps(score.to_json()) + "\n"

    @classmethod
    def entries(cls, path: Path) -> Iterator[Entry]:
        return (cls._entry(json.loads(line)) for line in _whole(path))

    @classmethod
    def without(cls, path: Path, failed: Container[str]) -> Iterator[str]:
        for line in _whole(path):
            entry = cls._entry(json.loads(line))
            if not (entry.failed and entry.file in failed):
                yield line

    @staticmethod
    def _entry(document: dict[str, object]) -> Entry:
        failed = "error" in document
        answers = {} if failed else document["results"]
        return Entry(str(document["file"]), frozenset(dict(answers)), failed)  # type: ignore[call-overload]


class _Rows(_Json):
    """The lines that become rows of a Parquet file."""

    @staticmethod
    def encode(score: Score) -> str:
        return "".join(json.dumps(row) + "\n" for row in score.rows())

    @staticmethod
    def _entry(document: dict[str, object]) -> Entry:
        return _row_entry(document)


def _row_entry(row: dict[str, object] | dict[str, str]) -> Entry:
    model = row["model"]
    return Entry(str(row["file"]), frozenset([str(model)] if model else []), bool(row["error"]))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


CSV, JSON, ROWS = _Csv(), _Json(), _Rows()
