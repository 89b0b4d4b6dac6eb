"""Score: what the models said of one file, as a document, as rows, and as a table for people."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from rich.markup import escape
from rich.table import Column, Table

from models.errors import LoupeError
from serving.commands.common import reason, shown
from serving.engine.classifier import Prediction

COLUMNS = ("file", "model", "version", "label", "probability", "certain", "probabilities", "attributes", "error")
_ROWS = 1000


@dataclass(frozen=True)
class Score:
    """One file's.

    Attributes:
        file: as it was named, or found.
        answer: a prediction of each model by its name, or why there is none.
        versions: of the models.
    """

    file: str
    answer: dict[str, Prediction] | LoupeError | OSError
    versions: Mapping[str, str]

    @property
    def failed(self) -> bool:
        """Whether there is no answer."""
        return isinstance(self.answer, Exception)

    def to_json(self) -> dict[str, object]:
        """A line of JSON; predictions are as in the server's answers."""
        if isinstance(self.answer, Exception):
            return {"file": self.file, "error": reason(self.answer), "error_type": type(self.answer).__name__}
        results = {name: asdict(prediction) for name, prediction in self.answer.items()}
        return {"file": self.file, "results": results, "versions": dict(self.versions)}

    def rows(self) -> Iterator[dict[str, object]]:
        """A row for each model, with all ``COLUMNS``; what is no number or text is JSON."""
        nothing = dict.fromkeys(COLUMNS)
        if isinstance(self.answer, Exception):
            yield {**nothing, "file": self.file, "error": reason(self.answer)}
            return
        for name, one in self.answer.items():
            documents = {"probabilities": json.dumps(one.probabilities), "attributes": json.dumps(one.attributes)}
            facts = {"label": one.label, "probability": one.probability, "certain": one.certain}
            yield {**nothing, "file": self.file, "model": name, "version": self.versions[name], **facts, **documents}


class ScoreTable:
    """The first files' answers; how many more there are."""

    def __init__(self) -> None:
        self._table = Table(Column("file", overflow="fold"), "model", "label", "probability", "certain", box=None)
        self._more = 0

    def add(self, score: Score) -> None:
        """Adds a row for each model."""
        file = escape(shown(score.file))
        if self._table.row_count >= _ROWS:
            self._more += 1
        elif isinstance(score.answer, Exception):
            self._table.add_row(file, "", f"[red]{escape(reason(score.answer))}[/red]")
        else:
            for name, one in score.answer.items():
                certain = "yes" if one.certain else "no"
                self._table.add_row(file, name, escape(one.label), f"{one.probability:.3f}", certain)

    def rich(self) -> Table:
        """To be printed."""
        if self._more:
            self._table.add_row(f"… and {self._more:,} more files; --json or --output tells all")
        return self._table
