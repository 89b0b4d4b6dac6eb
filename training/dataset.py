"""Photos → batches: decoded once into a cache of ``uint8`` arrays, then turned, changed and stacked."""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from models.images import decode
from models.preprocessing import Preprocessing
from training.augmentation import Augmentation
from training.manifest import Manifest, Photo
from training.tasks import Task, turn_array

Batch = tuple[NDArray[np.uint8], NDArray[np.float32]]


@dataclass(frozen=True)
class Photos:
    """Photos of one split as a network sees them.

    Attributes:
        pixels: ``uint8[N,H,W,C]``, upright, mapped from disk.
        labels: ``int64[N]``; all zero where labels are made by turning.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]


def load_photos(manifest: Manifest, task: Task, preprocessing: Preprocessing, cache: Path) -> Photos:
    """Decodes a manifest's photos with the one decoder, or maps what an earlier call decoded.

    Args:
        manifest: of one split.
        task: gives the order of labels.
        preprocessing: as the model's.
        cache: a folder; the file in it is named after all that its content depends on.
    """
    names = list(task.label_names)
    labels = [names.index(photo.label) if task.made_by == "folder" else 0 for photo in manifest.photos]
    key = "".join([preprocessing.model_dump_json(), *(photo.sha256 for photo in manifest.photos)])
    path = cache / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.npy"
    if not path.exists():
        _decode_all(manifest, preprocessing, path)
    return Photos(np.load(path, mmap_mode="r"), np.array(labels, np.int64))


def _decode_all(manifest: Manifest, preprocessing: Preprocessing, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    shape = (len(manifest.photos), *preprocessing.shape)
    pixels = np.lib.format.open_memmap(partial, "w+", np.uint8, shape)

    def pixels_of(photo: Photo) -> NDArray[np.uint8]:
        return preprocessing.apply(decode(manifest.file(photo).read_bytes(), preprocessing.size))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        decoded = track(pool.map(pixels_of, manifest.photos), "decoding photos", total=len(manifest.photos))
        for index, array in enumerate(decoded):
            pixels[index] = array
    pixels.flush()
    partial.rename(path)


def one_hot(labels: NDArray[np.int64], count: int) -> NDArray[np.float32]:
    """``int64[N]`` → ``float32[N, count]``."""
    return np.eye(count, dtype=np.float32)[labels]


def training_batches(
    photos: Photos,
    task: Task,
    augmentation: Augmentation,
    shape: tuple[int, int, int],
    batch_size: int,
    seed: int,
    first_epoch: int = 0,
) -> Iterator[Batch]:
    """Yields shuffled batches for ever, ``steps_per_epoch`` an epoch; each epoch shows each photo at most once.

    Every random choice depends on ``seed``, the epoch and the place in it alone, so that training that goes on at
    ``first_epoch`` sees what it would have seen without the interruption.

    Yields:
        ``uint8[B,H,W,C]`` and one-hot ``float32[B,K]``.
    """
    epoch = first_epoch
    while True:
        order = np.random.default_rng((seed, epoch)).permutation(len(photos.pixels))
        for step in range(steps_per_epoch(photos, batch_size)):
            rng = np.random.default_rng((seed, epoch, step))
            chosen = np.sort(order[step * batch_size : (step + 1) * batch_size])
            samples = [_sample(photos, int(index), task, augmentation, shape, rng) for index in chosen]
            yield (
                np.stack([pixels for pixels, _ in samples]),
                one_hot(np.array([label for _, label in samples]), len(task.labels)),
            )
        epoch += 1


def steps_per_epoch(photos: Photos, batch_size: int) -> int:
    """Whole batches in one pass; a set smaller than a batch makes one."""
    return max(1, len(photos.pixels) // batch_size)


def _sample(
    photos: Photos,
    index: int,
    task: Task,
    augmentation: Augmentation,
    shape: tuple[int, int, int],
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint8], int]:
    pixels = augmentation.apply(photos.pixels[index], shape, rng)
    if task.made_by == "folder":
        return pixels, int(photos.labels[index])
    turns = int(rng.integers(len(task.labels)))
    return turn_array(pixels, turns), turns


class ValidationBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """All samples in order, unchanged: each photo once or, where labels are made by turning, in all four turns."""

    def __init__(self, photos: Photos, task: Task, batch_size: int) -> None:
        super().__init__()
        self._photos, self._task, self._batch_size = photos, task, batch_size

    def __len__(self) -> int:
        return -(-len(self._photos.pixels) * self._task.samples_per_photo // self._batch_size)

    def __getitem__(self, batch: int) -> Batch:
        """``uint8[B,H,W,C]`` and one-hot ``float32[B,K]``."""
        count = len(self._photos.pixels) * self._task.samples_per_photo
        samples = range(batch * self._batch_size, min(count, (batch + 1) * self._batch_size))
        drawn = [self._at(sample) for sample in samples]
        return np.stack([pixels for pixels, _ in drawn]), one_hot(
            np.array([label for _, label in drawn]), len(self._task.labels)
        )

    def _at(self, sample: int) -> tuple[NDArray[np.uint8], int]:
        index, turns = divmod(sample, self._task.samples_per_photo)
        if self._task.made_by == "folder":
            return self._photos.pixels[index], int(self._photos.labels[index])
        return turn_array(self._photos.pixels[index], turns), turns
