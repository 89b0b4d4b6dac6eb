"""How far a measured figure can be trusted: 95 % intervals that count dependent samples together."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from models.metrics import Interval

CONFIDENCE = 0.95
_DRAWS = 1000
_SEED = 20


def bootstrap_interval(groups: NDArray[np.int64], statistic: Callable[[NDArray[np.float64]], float]) -> Interval:
    """The percentile bootstrap over groups: a group is drawn with all its samples, as these depend on each other.

    Args:
        groups: ``int64[M]``, the group of each sample, numbered from 0.
        statistic: of the weights ``float64[M]`` of the samples, which say how often each was drawn; NaN where it is
            not defined, for example without a sample of one label.

    Returns:
        The interval, from 1,000 draws; the same at each call.
    """
    rng = np.random.default_rng(_SEED)
    count = int(groups.max()) + 1
    drawn = [
        statistic(np.bincount(rng.integers(count, size=count), minlength=count).astype(float)[groups])
        for _ in range(_DRAWS)
    ]
    low, high = np.nanquantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def accuracy_interval(right: NDArray[np.bool_], groups: NDArray[np.int64]) -> Interval:
    """The interval of a share of right answers.

    Where all or none are right, no draw differs from another and the bootstrap's interval is empty; the exact interval
    of Clopper and Pearson takes its place, with each group counted once.

    Args:
        right: ``bool[M]``.
        groups: ``int64[M]``, the group of each answer.
    """
    numbers = np.unique(groups, return_inverse=True)[1]
    if right.all() or not right.any():
        independent = int(numbers.max()) + 1
        exact = binomtest(independent if right.all() else 0, independent).proportion_ci(CONFIDENCE)
        return float(exact.low), float(exact.high)
    return bootstrap_interval(numbers, lambda weights: _share(right, weights))


def _share(right: NDArray[np.bool_], weights: NDArray[np.float64]) -> float:
    total = weights.sum()
    return float(weights @ right / total) if total else float("nan")
