"""What a person is told at the end: how many files were answered, why others were not, and what was no candidate."""

import os
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path

from models.counted import counted
from serving.album.undo_log import NAME
from serving.commands.common import console, shown
from serving.scoring.score import Score, reason

_REASONS, _KINDS = 10, 12  # told of each; some reasons name sizes


class Tally:
    """Counts scores as they come.

    Attributes:
        found: how many candidates there are.
        failed: how many files have no answer.
    """

    def __init__(self, paths: Iterable[Path], found: int) -> None:
        self.found = found
        self.failed = 0
        self._paths = paths
        self._reasons = Counter[str]()

    def add(self, score: Score) -> None:
        """Counts one file's."""
        if isinstance(score.answer, Exception):
            self.failed += 1
            self._reasons[reason(score.answer)] += 1

    def tell(self, others: Counter[str]) -> None:
        """Says on stderr why files failed, and how many of which other kind there are."""
        lines = [f"  {count:,} failed: {why}" for why, count in self._reasons.most_common(_REASONS)]
        for line in lines:
            console(stderr=True).print(line, soft_wrap=True, markup=False)
        if not self.found:
            tell_none(self._paths)
        tell_others(others)


def tell_none(paths: Iterable[str | Path]) -> None:
    """Says on stderr that there was nothing to ask about."""
    told = f"There are no photos in {', '.join(map(shown, paths))}."
    console(stderr=True).print(told, soft_wrap=True, markup=False)


def tell_others(others: Counter[str]) -> None:
    """Says on stderr how many files of which other kind there are."""
    if others:
        kinds = [f"{count:,} {shown(kind) or 'without a suffix'}" for kind, count in others.most_common(_KINDS)]
        more = f" and {counted(len(others) - _KINDS, 'more kind')}" * (len(others) > _KINDS)
        told = f"Not asked about, as of other kinds: {', '.join(kinds)}{more}."
        console(stderr=True).print(told, soft_wrap=True, markup=False)


def other_files(paths: Iterable[Path], suffixes: Collection[str]) -> Counter[str]:
    """The files in folders that are no candidates, by suffix; hidden ones do not count, nor do logs of ours."""
    found = Counter[str]()
    for path in paths:
        for _, folders, files in os.walk(path):
            folders[:] = [name for name in folders if not name.startswith(".")]
            kinds = (os.path.splitext(name)[1].lower() for name in files if not name.startswith((".", NAME)))  # noqa: PTH122
            found.update(kind for kind in kinds if kind not in suffixes)
    return found
