"""Validation photos → batches."""

from collections.abc import Sequence

import keras
import numpy as np
from numpy.typing import NDArray

from training.photos.dataset import Batch, Photos, one_hot
from training.photos.share import Share
from training.photos.tasks import Task, turn_array


class ValidationBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """All samples in order, unchanged: each photo once or, where labels are made by turning, in all four turns.

    Attributes:
        batch_size: of all but the last one.
        count: of samples.
    """

    def __init__(self, photos: Photos, task: Task, batch_size: int) -> None:
        super().__init__()
        self._photos, self._task, self.batch_size = photos, task, batch_size
        self.count = len(photos.pixels) * task.samples_per_photo

    def __len__(self) -> int:
        return -(-self.count // self.batch_size)

    def __getitem__(self, batch: int) -> Batch:
        """``uint8[B,H,W,C]`` and one-hot ``float32[B,K]``."""
        return self.of(range(batch * self.batch_size, min(self.count, (batch + 1) * self.batch_size)))

    def of(self, samples: Sequence[int]) -> Batch:
        """These samples, as a batch."""
        drawn = [self._at(sample) for sample in samples]
        return np.stack([pixels for pixels, _ in drawn]), one_hot(
            np.array([label for _, label in drawn]), len(self._task.labels)
        )

    def _at(self, sample: int) -> tuple[NDArray[np.uint8], int]:
        index, turns = divmod(sample, self._task.samples_per_photo)
        if self._task.made_by == "folder":
            return self._photos.pixels[index], int(self._photos.labels[index])
        return turn_array(self._photos.pixels[index], turns), turns


class SharedValidation(keras.utils.PyDataset):  # type: ignore[misc]
    """This process's part of each validation batch; so many in each that all processes have as many.

    What fills up the last batch has no weight, and the others have so much more that means over all places, as Keras
    takes of the loss, are those over the samples.
    """

    def __init__(self, batches: ValidationBatches, share: Share) -> None:
        super().__init__()
        self._batches = batches
        self._part = share.within(batches.batch_size)
        self._weight = len(batches) * batches.batch_size / batches.count

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, batch: int) -> tuple[*Batch, NDArray[np.float32]]:
        """``uint8[B,H,W,C]``, one-hot ``float32[B,K]``, and how much each counts, ``float32[B]``."""
        first = batch * self._batches.batch_size
        places = np.arange(first + self._part.start, first + self._part.stop)
        weights = np.where(places < self._batches.count, self._weight, 0).astype(np.float32)
        return *self._batches.of([min(place, self._batches.count - 1) for place in places.tolist()]), weights
