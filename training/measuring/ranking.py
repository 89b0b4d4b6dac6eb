"""How well a score sets one label apart from the other, whatever threshold is put on it."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from models.metrics import Interval
from training.measuring.intervals import bootstrap_interval

Floats = NDArray[np.float64]
Ranking = Callable[[Floats, NDArray[np.bool_], Floats | None], float]
_SPECIFICITY = 0.95


def roc_auc(scores: Floats, positive: NDArray[np.bool_], weights: Floats | None = None) -> float:
    """The chance that a sample of the second label scores higher than one of the first; NaN if either is missing.

    As scikit-learn's ``roc_auc_score``, but a hundred times faster, which a bootstrap is grateful for.

    Args:
        scores: ``float64[M]``.
        positive: ``bool[M]``, whether the true label is the second.
        weights: ``float64[M]``, how often each sample counts; by default once.
    """
    negatives, positives = _by_score(scores, positive, weights)
    below = np.cumsum(negatives) - negatives / 2  # a tie is worth one half
    pairs = negatives.sum() * positives.sum()
    return float(positives @ below / pairs) if pairs else float("nan")


def recall_at_95_specificity(scores: Floats, positive: NDArray[np.bool_], weights: Floats | None = None) -> float:
    """The recall of the second label where at most 5 % of the first are false alarms; NaN if either is missing.

    Args:
        scores: ``float64[M]``.
        positive: ``bool[M]``, whether the true label is the second.
        weights: ``float64[M]``, how often each sample counts; by default once.
    """
    negatives, positives = (np.append(0, np.cumsum(counts[::-1])) for counts in _by_score(scores, positive, weights))
    if not negatives[-1] or not positives[-1]:
        return float("nan")
    allowed = negatives <= (1 - _SPECIFICITY) * negatives[-1] + 1e-9
    return float(positives[allowed].max() / positives[-1])


def ranking_interval(
    ranking: Ranking, scores: Floats, positive: NDArray[np.bool_], groups: NDArray[np.int64]
) -> Interval:
    """The bootstrap interval of one of this module's figures; ``groups``: ``int64[M]``, numbered from 0."""
    return bootstrap_interval(groups, lambda weights: ranking(scores, positive, weights))


def _by_score(scores: Floats, positive: NDArray[np.bool_], weights: Floats | None) -> tuple[Floats, Floats]:
    """How many samples of the first and of the second label have each score, from the lowest to the highest."""
    ranks = np.unique(scores, return_inverse=True)[1]
    counted = np.ones(len(scores)) if weights is None else weights
    first, second = (np.bincount(ranks, counted * mine).astype(np.float64) for mine in (~positive, positive))
    return first, second
