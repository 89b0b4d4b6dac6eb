"""Pace: how far a long run is, under a bar where a person looks, and as a line a minute in a log."""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Self

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from models.counted import counted
from serving.commands.common import console
from serving.scoring.score import Row

_EVERY_S = 60
_REASONS, _KEPT = 10, 1000  # told, and counted at most; some name sizes


class Pace:
    """Counts pictures as they are answered.

    Attributes:
        answered: pictures that got their rows.
        skipped: pictures that had them.
        failed: of the answered ones, those whose row says why there is no answer.
    """

    def __init__(self) -> None:
        self.answered = self.skipped = self.failed = 0
        self._reasons = Counter[str]()
        self._began = self._told = monotonic()
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
            transient=True,
        )
        self._task = self._bar.add_task(self._line())

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    @property
    def pictures(self) -> int:
        """All that were found."""
        return self.answered + self.skipped

    def skip(self) -> None:
        """Counts a picture that has its rows."""
        self.skipped += 1
        self._show()

    def add(self, pictures: Sequence[Sequence[Row]], of: int) -> None:
        """Counts pictures by their rows; of so many the others had theirs."""
        self.skipped += of - len(pictures)
        for rows in pictures:
            self.answered += 1
            if (error := rows[0]["error"]) is not None:
                self.failed += 1
                if error in self._reasons or len(self._reasons) < _KEPT:
                    self._reasons[str(error)] += 1
        self._show()

    def tell(self, out: Path) -> None:
        """Says what was done, and why pictures failed."""
        lines = [f"{out}: {self._line()}."]
        lines += [f"  {count:,} failed: {why}" for why, count in self._reasons.most_common(_REASONS)]
        for line in lines:
            console(stderr=True).print(line, soft_wrap=True, markup=False)

    def _line(self) -> str:
        seconds = monotonic() - self._began
        told = f"{counted(self.answered, 'picture')} asked about now, {self.skipped:,} before; {self.failed:,} failed"
        return f"{told}; {self.answered / seconds:,.0f} a second" if self.answered and seconds >= 1 else told

    def _show(self) -> None:
        self._bar.update(self._task, description=self._line())
        if self._bar.disable and monotonic() - self._told > _EVERY_S:
            self._told = monotonic()
            console(stderr=True).print(self._line(), soft_wrap=True, markup=False)
