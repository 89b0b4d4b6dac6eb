"""Outcomes: what became of each photo, told as a table, as CSV or as JSON lines."""

import csv
import json
import sys
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, fields
from io import TextIOWrapper
from pathlib import Path
from typing import Literal

from rich.markup import escape
from rich.table import Table

from models.counted import counted
from serving.commands.common import console, shown

Action = Literal[
    "would_turn", "turned", "restored", "as_before", "upright", "uncertain", "undone", "left_alone", "skipped", "failed"
]
Form = Literal["table", "csv", "json"]

_ROWS = 40  # of each kind; a tree may hold 100,000 photos
_REASONS = 10  # of each kind; some name sizes
_ARROWS = {90: "↻ 90°", 180: "↻ 180°", 270: "↺ 90°"}
_TITLES: dict[Action, str] = {
    "would_turn": "would be turned",
    "turned": "turned",
    "restored": "put back",
    "uncertain": "uncertain, so they stay as they are",
    "undone": "left alone, as they were put back; --again proposes them",
    "left_alone": "left alone, as a person has changed them since they were turned",
    "skipped": "skipped",
    "failed": "failed",
}
_COUNTED: dict[Action, str] = {
    "would_turn": "would be turned",
    "turned": "turned",
    "restored": "put back",
    "as_before": "as before already",
    "upright": "upright",
    "uncertain": "uncertain",
    "undone": "put back before",
    "left_alone": "left alone",
    "skipped": "skipped",
    "failed": "failed",
}


@dataclass(frozen=True)
class Outcome:
    """One photo.

    Attributes:
        file: as it was named, or found.
        action: what was or would be done.
        rotate_clockwise: degrees, of the picture as shown.
        label: the side at which the scene's top was found; empty where nothing was asked.
        probability: of the label.
        certain: whether that was enough to act on.
        method: how it was turned: ``tag``, ``lossless`` or ``reencoded``.
        reason: why it was skipped, or failed.
    """

    file: Path
    action: Action
    rotate_clockwise: int = 0
    label: str = ""
    probability: float | None = None
    certain: bool | None = None
    method: str = ""
    reason: str = ""


class Report:
    """Tells outcomes as they come, or, as a table, at the end: what a person has to see, and how many there were.

    Attributes:
        counts: of each kind, how many.
        as_lines: whether each is told as it comes.
    """

    def __init__(self, form: Form) -> None:
        self.counts = Counter[Action]()
        self.as_lines = form != "table"
        self._form = form
        self._reasons = defaultdict[Action, Counter[str]](Counter)
        self._shown = defaultdict[Action, list[Outcome]](list)
        if form == "csv":
            if isinstance(sys.stdout, TextIOWrapper):
                sys.stdout.reconfigure(errors="surrogateescape")  # names as they are, text or not
            self._csv = csv.writer(sys.stdout, lineterminator="\n")
            self._csv.writerow(field.name for field in fields(Outcome))

    def add(self, outcome: Outcome) -> None:
        """Tells one."""
        self.counts[outcome.action] += 1
        if outcome.reason and (
            len(self._reasons[outcome.action]) < _REASONS or outcome.reason in self._reasons[outcome.action]
        ):
            self._reasons[outcome.action][outcome.reason] += 1
        if self._form == "csv":
            self._csv.writerow(asdict(outcome).values())
        elif self._form == "json":
            print(json.dumps({**asdict(outcome), "file": str(outcome.file)}))  # noqa: T201 - it is what was asked for
        elif len(self._shown[outcome.action]) < _ROWS:
            self._shown[outcome.action].append(outcome)

    def end(self) -> None:
        """Tells the rest: the tables, and the sum."""
        out = console(stderr=self.as_lines)
        for action in () if self.as_lines else _TITLES:
            if self.counts[action]:
                out.print(self._table(action))
                out.print()
        total = self.counts.total()
        told = ", ".join(f"{self.counts[action]:,} {name}" for action, name in _COUNTED.items() if self.counts[action])
        out.print(f"{counted(total, 'photo')}{': ' * bool(told)}{told}.", soft_wrap=True)
        for action in ("skipped", "failed"):
            for why, count in self._reasons[action].most_common(_REASONS):
                out.print(f"  {count:,} {_COUNTED[action]}: {shown(why)}", soft_wrap=True, markup=False)

    def _table(self, action: Action) -> Table:
        table = Table(title=_TITLES[action], title_justify="left", title_style="bold", box=None, pad_edge=False)
        asked = action in ("would_turn", "turned", "uncertain")
        explained = action in ("undone", "skipped", "failed")
        table.add_column("file", overflow="fold")
        if asked:
            table.add_column("most likely turn" if action == "uncertain" else "turn")
            table.add_column("probability", justify="right")
        elif explained:
            table.add_column("reason", overflow="fold")
        for outcome in self._shown[action]:
            told = _said(outcome) if asked else (escape(shown(outcome.reason)),) if explained else ()
            table.add_row(escape(shown(outcome.file)), *told)
        if (more := self.counts[action] - len(self._shown[action])) > 0:
            table.add_row(f"… and {more:,} more; --csv or --json lists all")
        return table


def _said(outcome: Outcome) -> tuple[str, str]:
    nothing = "none" if outcome.action == "uncertain" else "its tag, into the pixels"
    turn = _ARROWS.get(outcome.rotate_clockwise, nothing)
    return turn, "" if outcome.probability is None else f"{outcome.probability:.3f}"
