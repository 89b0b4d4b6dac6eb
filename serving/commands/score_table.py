"""ScoreTable: what models said of files, for people."""

from rich.markup import escape
from rich.table import Column, Table

from models.counted import counted
from serving.commands.common import shown
from serving.scoring.score import Score, reason

_ROWS = 1000


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
            self._table.add_row(f"… and {counted(self._more, 'more file')}; --json or --output tells all")
        return self._table
