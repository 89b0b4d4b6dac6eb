"""Photos → batches: decoded once into a cache of ``uint8`` arrays, then turned, changed and stacked."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.progress import track

from models.errors import TrainingError
from models.preprocessing import Preprocessing
from training.photos.augmentation import Augmentation, Changed
from training.photos.manifest import Manifest, Photo
from training.photos.points import Points, read_points
from training.photos.share import WHOLE, Share
from training.photos.tasks import Task, turn_array

_PART = 16  # samples of a batch that one thread makes; with fewer, handing them over costs more than small ones take
Batch = tuple[NDArray[np.uint8], NDArray[np.float32]]


@dataclass(frozen=True)
class Photos:
    """Photos of one split as a network sees them.

    Attributes:
        pixels: ``uint8[N,H,W,C]``, upright, mapped from disk.
        labels: ``int64[N]``; all zero where labels are made by turning.
        sources: ``N`` names of data sets.
        points: to learn beside the labels.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    sources: tuple[str, ...]
    points: Points | None = None


def load_photos(
    manifest: Manifest, task: Task, preprocessing: Preprocessing, cache: Path, points: Path | None = None
) -> Photos:
    """Decodes a manifest's photos with the one decoder, or maps what an earlier call decoded.

    Args:
        manifest: of one split.
        task: gives the order of labels.
        preprocessing: as the model's.
        cache: a folder; the file in it is named after all that its content depends on.
        points: a file of them, to learn beside the labels.

    Raises:
        TrainingError: a photo's label is not one of the task's, its file is gone or broken, or that of the points is.
    """
    labels = [_index(photo, task) for photo in manifest.photos]
    known = read_points(points, (photo.sha256 for photo in manifest.photos)) if points else None
    key = "".join([preprocessing.model_dump_json(), *(photo.sha256 for photo in manifest.photos)])
    path = cache / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.npy"
    if not path.exists():
        _decode_all(manifest, preprocessing, path)
    sources = tuple(photo.source for photo in manifest.photos)
    return Photos(np.load(path, mmap_mode="r"), np.array(labels, np.int64), sources, known)


def _index(photo: Photo, task: Task) -> int:
    if task.made_by == "turning":
        return 0
    if photo.label not in task.label_names:
        raise TrainingError(
            f"{photo.path} has the label {photo.label!r}; those of {task.name} are {', '.join(task.label_names)}"
        )
    return task.label_names.index(photo.label)


def _decode_all(manifest: Manifest, preprocessing: Preprocessing, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.stem}-{uuid4().hex}.partial")  # several workers may share a disk
    shape = (len(manifest.photos), *preprocessing.shape)
    pixels = np.lib.format.open_memmap(partial, "w+", np.uint8, shape)

    def pixels_of(photo: Photo) -> NDArray[np.uint8]:
        return preprocessing.apply(manifest.decode(photo, preprocessing.size))

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
    *,
    balanced: bool = False,
    share: Share = WHOLE,
) -> Iterator[Batch]:
    """Yields shuffled batches for ever, ``steps_per_epoch`` an epoch.

    An epoch shows each photo at most once or, ``balanced``, draws as many by ``sampling_weights``.

    Every random choice depends on ``seed``, the epoch and the place in it alone, so that training that goes on at
    ``first_epoch`` sees what it would have seen without the interruption, and ``share`` of a batch is what it is in the
    whole one.

    Yields:
        ``uint8[B,H,W,C]`` and one-hot ``float32[B,K]`` or, with points, ``float32[B,K+3P]``: see ``auxiliary``.

    Raises:
        TrainingError: a batch cannot be shared evenly.
    """
    epoch = first_epoch
    weights = sampling_weights(photos) if balanced else None
    draw = partial(_part, photos, task, augmentation, shape)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        while True:
            shuffled = np.random.default_rng((seed, epoch)).choice(
                len(photos.pixels), len(photos.pixels), balanced, weights
            )
            for step in range(steps_per_epoch(photos, batch_size)):
                chosen = np.sort(shuffled[step * batch_size : (step + 1) * batch_size])
                mine = share.within(len(chosen))
                # A picture mixed into mine may be any of the batch.
                first, stop = (0, len(chosen)) if augmentation.mixup else (mine.start // _PART * _PART, mine.stop)
                starts = range(first, stop, _PART)
                seeds = [(seed, epoch, step, start) for start in starts]
                parts = pool.map(draw, (chosen[start : start + _PART] for start in starts), seeds)
                pixels, labels, points = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
                if augmentation.mixup:
                    pixels = mixed_within_labels(
                        pixels, labels, augmentation.mixup, np.random.default_rng((seed, epoch, step))
                    )
                mine = slice(mine.start - first, mine.stop - first)
                yield pixels[mine], np.hstack([one_hot(labels[mine], len(task.labels)), points[mine]])
            epoch += 1


def mixed_within_labels(
    pixels: NDArray[np.uint8], labels: NDArray[np.int64], share: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Lays another picture of the same label over some: mixup (Zhang et al. 2018) that leaves every label whole.

    Args:
        pixels: ``uint8[B,H,W,C]``.
        labels: ``int64[B]``.
        share: chance of each picture; the other one counts for up to a half.
        rng: where chance comes from.

    Returns:
        ``uint8[B,H,W,C]``.
    """
    partners = np.arange(len(labels))
    for label in np.unique(labels):
        alike = np.flatnonzero(labels == label)
        partners[alike] = rng.permutation(alike)
    mixed = pixels.copy()
    for index in np.flatnonzero(rng.random(len(labels)) < share):
        pair = Image.fromarray(pixels[index].squeeze()), Image.fromarray(pixels[partners[index]].squeeze())
        mixed[index] = np.asarray(Image.blend(*pair, rng.uniform(0, 0.5))).reshape(pixels.shape[1:])
    return mixed


def sampling_weights(photos: Photos) -> NDArray[np.float64]:
    """Chances ``float64[N]`` that draw labels evenly and, within one, its sources by the square root of their size.

    So neither the largest source of a label nor the largest label becomes what the network learns to see.
    """
    cells = list(zip(photos.labels.tolist(), photos.sources, strict=True))
    sizes = Counter(cells)
    roots: Counter[int] = Counter()
    for (label, _), size in sizes.items():
        roots[label] += np.sqrt(size)
    return np.array([1 / (len(roots) * roots[cell[0]] * np.sqrt(sizes[cell])) for cell in cells])


def steps_per_epoch(photos: Photos, batch_size: int) -> int:
    """Whole batches in one pass; a set smaller than a batch makes one."""
    return max(1, len(photos.pixels) // batch_size)


def _part(
    photos: Photos,
    task: Task,
    augmentation: Augmentation,
    shape: tuple[int, int, int],
    chosen: NDArray[np.int64],
    seed: tuple[int, ...],
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.float32]]:
    """A part of a batch, drawn from a seed of its own: so the threads that share a batch change nothing."""
    rng = np.random.default_rng(seed)
    changed = [augmentation.apply(photos.pixels[index], shape, rng) for index in chosen]
    if task.made_by == "folder":
        return np.stack([pixels for pixels, _ in changed]), photos.labels[chosen], _points(photos, chosen, changed)
    turns = rng.integers(len(task.labels), size=len(chosen))
    turned = [turn_array(pixels, int(turn)) for (pixels, _), turn in zip(changed, turns, strict=True)]
    return np.stack(turned), turns, _points(photos, chosen, changed)


def _points(photos: Photos, chosen: NDArray[np.int64], changed: list[Changed]) -> NDArray[np.float32]:
    """``float32[B,3P]``, one row a picture; without points its rows are empty."""
    if photos.points is None:
        return np.empty((len(chosen), 0), np.float32)
    return photos.points.moved(chosen, np.stack([move for _, move in changed])).reshape(len(chosen), -1)
