"""A product of experts (Hinton 2002): what two networks say of the same pictures, as one answer.

p ∝ large · small^w. Where a small network was not sure, its answer still tells something that a large one, which saw
the same picture at another size, does not.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from training.measuring.evaluation import Answers

_FLOOR = np.float32(1e-7)  # as in the graph


def product(large: NDArray[np.float32], small: NDArray[np.float32], weight: float) -> NDArray[np.float32]:
    """The answers ``float32[N,K]`` of both, as ``graph.cascade`` takes them together."""
    joint: NDArray[np.float32] = softmax(_log(large) + weight * _log(small), axis=1).astype(np.float32)
    return joint


def fit_weight(large: Answers, small: NDArray[np.float32]) -> float:
    """The small network's weight, from 0 to 1, that minimises the negative log-likelihood of the true labels.

    Args:
        large: on the calibration split; each group of answers that depend on each other counts once.
        small: ``float32[N,K]``, the scaled answers about the same pictures.
    """
    groups = large.group_numbers
    counts, rows = 1 / np.bincount(groups)[groups], np.arange(len(groups))

    def loss(weight: float) -> float:
        likelihood = log_softmax(_log(large.probabilities) + weight * _log(small), axis=1)[rows, large.labels]
        return float(-(counts @ likelihood))

    return float(minimize_scalar(loss, bounds=(0, 1), method="bounded").x)


def _log(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    logs: NDArray[np.float64] = np.log(np.maximum(probabilities, _FLOOR).astype(np.float64))
    return logs
