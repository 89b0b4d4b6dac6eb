"""A picture's four quarter turns, and what a network's answers for them say together; without Keras."""

import numpy as np
from numpy.typing import NDArray

LABELS = 4  # the quarter turns, in the order of ``tasks.ORIENTATION``
FLOOR = np.float32(1e-7)  # as Keras' epsilon, with which ``turning`` averages


def averages_over_turns(probabilities: NDArray[np.float32]) -> dict[int, NDArray[np.float32]]:
    """What ``turning.averaged_over_turns`` would answer, from a network's answers for all four turns of each photo.

    Args:
        probabilities: ``float32[4 * photos,4]``, the turns of a photo one after the other.

    Returns:
        By number of turns, as many rows in the same order; not normalised.
    """
    logs = np.log(np.maximum(probabilities, FLOOR)).reshape(-1, LABELS, LABELS)
    turned_back = [np.roll(np.roll(logs, -turn, axis=1), -turn, axis=2) for turn in range(LABELS)]
    return {
        turns: np.exp(np.mean(turned_back[:: LABELS // turns], axis=0)).reshape(-1, LABELS) for turns in (1, 2, LABELS)
    }
