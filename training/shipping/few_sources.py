"""From which probability on an answer is certain, where a few dozen sources are all there is to choose it on.

``calibration.certain_from`` takes all answers of a group for one: right for the four turns of a photo, but of a hundred
albums it asks that nearly none holds an error, and gives up. Here, an album's answers count as far as its errors really
come together, which is measured (intra-class correlation). Thresholds are tried downwards, beginning with as many sure
answers as could hold the allowed share of errors and still pass, and ending at the first that fails: so that trying
several costs no confidence (fixed-sequence testing; Angelopoulos et al. 2021).

The promise is in two parts: on the sources at hand no more than the allowed share of certain answers is wrong, and on
sources like them no more than twice that, with 95 % confidence.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

CONFIDENCE = 0.95
SLACK = 2.0
"""The bound that holds with confidence, as a multiple of the allowed share."""

_CANDIDATES = 20


def certain_from_few(
    probability: NDArray[np.float64], right: NDArray[np.bool_], allowed_error: float, sources: NDArray[np.int64]
) -> float | None:
    """The lowest probability that keeps the module's promise; None where there is none.

    Args:
        probability: ``float64[M]`` of the answers with one label, each of a model that never saw its source.
        right: ``bool[M]``.
        allowed_error: share of certain answers that may be wrong.
        sources: ``int64[M]``.
    """
    order = np.argsort(-probability, kind="stable")
    sure, wrong = probability[order], np.cumsum(~right[order])
    together = correlation(~right, sources)
    found = None
    for count in _candidates(sure):
        mine = sources[order[:count]]
        if upper_bound(int(allowed_error * count), mine, together) > SLACK * allowed_error:
            continue  # too few answers to begin with
        bound = upper_bound(int(wrong[count - 1]), mine, together)
        if wrong[count - 1] > allowed_error * count or bound > SLACK * allowed_error:
            break
        found = float(sure[count - 1])
    return found


def correlation(wrong: NDArray[np.bool_], sources: NDArray[np.int64]) -> float:
    """How far a source's errors come together: 0 as if by chance, 1 all or none of a source's answers are wrong.

    The analysis-of-variance estimate of the intra-class correlation, for sources of unequal size.
    """
    numbers = np.unique(sources, return_inverse=True)[1]
    sizes, errors = np.bincount(numbers), np.bincount(numbers, wrong)
    groups, total = len(sizes), len(wrong)
    if groups < 2 or total == groups or not wrong.any():
        return 0.0
    between = float((sizes * (errors / sizes - wrong.mean()) ** 2).sum()) / (groups - 1)
    within = float((errors * (1 - errors / sizes)).sum()) / (total - groups)
    usual = (total - float((sizes**2).sum()) / total) / (groups - 1)
    spread = between + (usual - 1) * within
    return float(np.clip((between - within) / spread, 0, 1)) if spread else 0.0


def upper_bound(wrong: int, sources: NDArray[np.int64], together: float) -> float:
    """The share of wrong answers that is not exceeded, with 95 % confidence: Clopper and Pearson's, on fewer answers.

    Args:
        wrong: how many were.
        sources: ``int64[M]`` of all answers.
        together: ``correlation`` of a source's errors.
    """
    sizes = np.unique(sources, return_counts=True)[1]
    alike = 1 + (float((sizes**2).sum()) / len(sources) - 1) * together  # Kish's design effect
    answers, errors = len(sources) / alike, wrong / alike
    return float(betaincinv(errors + 1, max(answers - errors, 1e-9), CONFIDENCE))


def _candidates(sure: NDArray[np.float64]) -> NDArray[np.int64]:
    """Numbers of surest answers; equal probabilities stay on one side."""
    if not len(sure):
        return np.array([], np.int64)
    last_of_its_value = np.flatnonzero(np.append(sure[1:] < sure[:-1], True)) + 1
    steps = np.linspace(0, len(last_of_its_value) - 1, _CANDIDATES).round().astype(int)
    counts: NDArray[np.int64] = last_of_its_value[np.unique(steps)]
    return counts
