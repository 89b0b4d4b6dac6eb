"""The few sizes that batches have on a GPU, where the first call of every new shape stalls."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def fixed_sizes(max_batch: int) -> tuple[int, ...]:
    """1, 2, 4, … and ``max_batch``."""
    powers = [1 << exponent for exponent in range(max_batch.bit_length())]
    return tuple(sorted({*powers, max_batch}))


def stack(images: Sequence[NDArray[np.uint8]], sizes: Sequence[int]) -> NDArray[np.uint8]:
    """Joins images to a batch of the smallest of the sizes that holds them, filled up with black ones.

    Args:
        images: N arrays ``uint8[H, W, C]``, no more than the largest size.
        sizes: ascending; none: the batch has N images.

    Returns:
        ``uint8[M, H, W, C]`` with M ≥ N; the first N are the images.
    """
    size = next((size for size in sizes if size >= len(images)), len(images))
    if size == 1:
        return images[0][np.newaxis]
    batch = np.zeros((size, *images[0].shape), np.uint8)
    np.stack(images, out=batch[: len(images)])
    return batch
