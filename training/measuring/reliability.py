"""Whether probabilities mean what they say, and how right the surest answers are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.metrics import CoverageMetrics, ReliabilityBin

BINS = 15
_COVERAGES = tuple(percent / 100 for percent in range(100, 45, -5))
_SIMULATIONS = 200


@dataclass(frozen=True)
class Reliability:
    """Answers in bins of like probability, from unsure to sure.

    Attributes:
        probability: ``float64[B]``, the mean of each bin.
        accuracy: ``float64[B]``.
        count: ``int64[B]``.
    """

    probability: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    count: NDArray[np.int64]

    @property
    def error(self) -> float:
        """Expected calibration error: the mean distance of probability and accuracy, answers counted alike."""
        return float(np.average(np.abs(self.probability - self.accuracy), weights=self.count))

    @property
    def bins(self) -> tuple[ReliabilityBin, ...]:
        """As the metadata holds them."""
        columns = zip(self.probability.tolist(), self.accuracy.tolist(), self.count.tolist(), strict=True)
        return tuple(
            ReliabilityBin(probability=min(1.0, probability), accuracy=accuracy, images=images)
            for probability, accuracy, images in columns
        )


def reliability(probability: NDArray[np.float64], right: NDArray[np.bool_]) -> Reliability:
    """Sorts answers into at most 15 bins of equally many; equal probabilities stay together.

    Bins of equal width would leave nearly all answers of a good model in the last one (Nixon et al. 2019, "Measuring
    Calibration in Deep Learning").

    Args:
        probability: ``float64[M]`` of each answer.
        right: ``bool[M]``.
    """
    edges = np.unique(np.quantile(probability, np.linspace(0, 1, BINS + 1)[1:-1], method="higher"))
    bins = np.unique(np.searchsorted(edges, probability, side="left"), return_inverse=True)[1]
    count = np.bincount(bins)
    return Reliability(np.bincount(bins, probability) / count, np.bincount(bins, right) / count, count)


def error_by_chance(probability: NDArray[np.float64]) -> float:
    """The calibration error that as many answers of a perfectly calibrated model show on average.

    Args:
        probability: ``float64[M]`` of each answer.
    """
    rng = np.random.default_rng(0)
    draws = [rng.random(len(probability)) < probability for _ in range(_SIMULATIONS)]
    return float(np.mean([reliability(probability, right).error for right in draws]))


def accuracy_of_surest(probability: NDArray[np.float64], right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """``float64[M]``: the accuracy of the surest answer, of the two surest, …, of all."""
    ordered = right[np.argsort(-probability, kind="stable")]
    accuracy: NDArray[np.float64] = np.cumsum(ordered) / np.arange(1, len(ordered) + 1)
    return accuracy


def risk_coverage(probability: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[CoverageMetrics, ...]:
    """Accuracy of all answers, of the surest 95 %, 90 %, …, 50 %."""
    accuracy = accuracy_of_surest(probability, right)
    counts = [max(1, round(coverage * len(right))) for coverage in _COVERAGES]
    return tuple(
        CoverageMetrics(coverage=coverage, accuracy=float(accuracy[count - 1]))
        for coverage, count in zip(_COVERAGES, counts, strict=True)
    )


def coverage_at(wanted: float, probability: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """The largest share of surest answers of which at least ``wanted`` are right; 0 where there is none."""
    enough = np.flatnonzero(accuracy_of_surest(probability, right) >= wanted)
    return float((enough[-1] + 1) / len(right)) if len(enough) else 0.0
