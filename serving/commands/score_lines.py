"""How scores look as lines of text, and what such lines tell."""

import csv
import io
import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, Self

from serving.commands.score import COLUMNS, Score

_BYTES = "surrogateescape"  # file names need not be text


class Entry(NamedTuple):
    """What a line or row tells of a file: the models that answered, and whether it failed."""

    file: str
    models: frozenset[str]
    failed: bool


@dataclass(frozen=True)
class Told:
    """What a file of scores holds: the files that were answered, those that failed, and the models that answered."""

    answered: set[str]
    failed: set[str]
    models: set[str]

    @classmethod
    def by(cls, entries: Iterable[Entry]) -> Self:
        """Sums entries up."""
        told = cls(set(), set(), set())
        for entry in entries:
            (told.failed if entry.failed else told.answered).add(entry.file)
            told.models.update(entry.models)
        return told

    def together_with(self, other: "Told") -> "Told":
        """What both hold; a file that was answered in either has not failed."""
        answered = self.answered | other.answered
        return Told(answered, (self.failed | other.failed) - answered, self.models | other.models)


class Lines(Protocol):
    """A form of lines, as ``CSV``, ``JSON`` and ``ROWS`` are."""

    header: str

    def encode(self, score: Score) -> str:
        """The lines of one file."""

    def entries(self, path: Path) -> Iterator[Entry]:
        """What a file of such lines tells."""

    def without(self, path: Path, failed: Collection[str]) -> Iterator[str]:
        """Its text but for the failures of some files."""


class _Csv:
    header = ",".join(COLUMNS) + "\n"

    @classmethod
    def encode(cls, score: Score) -> str:
        return cls._text(score.rows())

    @classmethod
    def entries(cls, path: Path) -> Iterator[Entry]:
        return map(_row_entry, cls._rows(path))

    @classmethod
    def without(cls, path: Path, failed: Collection[str]) -> Iterator[str]:
        yield cls.header
        for row in cls._rows(path):
            if not (row["error"] and row["file"] in failed):
                yield cls._text([row])

    @staticmethod
    def _rows(path: Path) -> Iterator[dict[str, str]]:
        with path.open(newline="", encoding="utf-8", errors=_BYTES) as file:
            yield from csv.DictReader(file)

    @staticmethod
    def _text(rows: Iterable[dict[str, object]] | Iterable[dict[str, str]]) -> str:
        text = io.StringIO()
        csv.DictWriter(text, COLUMNS, lineterminator="\n").writerows(rows)
        return text.getvalue()


class _Json:
    header = ""

    @staticmethod
    def encode(score: Score) -> str:
        return json.dumps(score.to_json()) + "\n"

    @classmethod
    def entries(cls, path: Path) -> Iterator[Entry]:
        return (cls._entry(json.loads(line)) for line in cls._lines(path))

    @classmethod
    def without(cls, path: Path, failed: Collection[str]) -> Iterator[str]:
        for line in cls._lines(path):
            entry = cls._entry(json.loads(line))
            if not (entry.failed and entry.file in failed):
                yield line

    @staticmethod
    def _entry(document: dict[str, object]) -> Entry:
        answers = document.get("results", {})
        return Entry(str(document["file"]), frozenset(dict(answers)), "error" in document)  # type: ignore[call-overload]

    @staticmethod
    def _lines(path: Path) -> Iterator[str]:
        with path.open(encoding="utf-8") as file:
            yield from file


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


CSV, JSON, ROWS = _Csv(), _Json(), _Rows()
