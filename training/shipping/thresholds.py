"""Where a cascade asks its next stage: what answers are worth, and what they cost, at each pair of thresholds."""

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.measuring.reliability import coverage_at

ERROR = 0.004
"""Share of wrong answers among certain ones for which most are to be certain."""

LOST = 0.001
"""Shares of answers that are right, and certain, that may be given up on the calibration photos for a lower price."""

BUDGET = 1.0
"""Runs of the large network that a picture may take in the mean, on top of the small one's."""

LAST = 2
"""The number of the stage after which none is asked."""

_ALWAYS = 2.0  # a threshold under which every probability lies
_RUNS = (1, 3)  # of the large network, that the second stage costs, and the third on top of it
_TRIED = 30  # thresholds of each stage


def best_thresholds(stages: Sequence[NDArray[np.float32]], labels: NDArray[np.int64]) -> tuple[float, float]:
    """The thresholds that leave most answers certain for a price, and of those about as good the cheapest.

    Certain are here the surest answers of which no more than ``ERROR`` is wrong.

    Args:
        stages: the scaled answers ``float32[M,K]`` of each stage about the same pictures.
        labels: ``int64[M]``, the true ones.
    """
    tops = [answers.max(axis=1) for answers in stages[:-1]]
    tried = [[*np.quantile(top, np.linspace(0, 1, _TRIED)).tolist(), _ALWAYS] for top in tops]
    choices = [_choice(stages, labels, (first, second)) for first, second in product(*tried)]
    affordable = [choice for choice in choices if choice.cost <= BUDGET]
    most = max(choice.certain for choice in affordable)
    as_certain = [choice for choice in affordable if choice.certain >= most - LOST]
    wanted = max(choice.right for choice in as_certain) - LOST
    return min(choice for choice in as_certain if choice.right >= wanted).thresholds


class _Choice(NamedTuple):
    cost: float
    certain: float
    right: float
    thresholds: tuple[float, float]


def _choice(
    stages: Sequence[NDArray[np.float32]], labels: NDArray[np.int64], thresholds: tuple[float, float]
) -> _Choice:
    ends = ends_of(stages, thresholds)
    answers = np.stack(stages)[ends, np.arange(len(ends))]
    right = answers.argmax(axis=1) == labels
    cost = sum(runs * float(np.mean(ends > stage)) for stage, runs in enumerate(_RUNS))
    certain = coverage_at(1 - ERROR, answers.max(axis=1).astype(np.float64), right)
    return _Choice(cost, certain, float(right.mean()), thresholds)


def ends_of(stages: Sequence[NDArray[np.float32]], thresholds: tuple[float, float]) -> NDArray[np.int64]:
    """The number of the stage that gives each answer."""
    again = [answers.max(axis=1) < np.float32(asked) for answers, asked in zip(stages, thresholds, strict=False)]
    ends: NDArray[np.int64] = np.where(again[0], 1 + again[1].astype(np.int64), 0)
    return ends
