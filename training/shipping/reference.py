"""What photos look like to a model when it is made: it travels in the file, and a service compares its own with it."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.drift import EDGES, Feature, Histogram, Reference, Shape, light
from models.metadata import ModelMetadata
from models.repository import read_metadata
from training.graph.inference import OnnxClassifier
from training.measuring.evaluation import PHOTOS_AT_ONCE
from training.photos.manifest import Manifest, Photo
from training.photos.tasks import Task, task_of, turn_image
from training.shipping.stamp import restamp

ENOUGH = 200
"""Fewer pictures would differ from any others by chance."""

MOST = 2000
"""More would say little more."""


class _Seen(NamedTuple):
    pixels: NDArray[np.uint8]
    shape: Shape


def with_reference(data: bytes, photos: Manifest) -> bytes:
    """Returns a stamped ONNX file with ``reference_of`` these photos in place of the one that it had."""
    found = reference_of(data, photos)
    return restamp(data, reference=None if found is None else found.model_dump(mode="json"))


def reference_of(data: bytes, photos: Manifest) -> Reference | None:
    """Counts what a model answers about photos, and what these are.

    Args:
        data: the stamped ONNX file.
        photos: of the kind that it was made for, and none that it learned from, of which it would be too sure. Where
            labels are made by turning, each is shown in one of its turns.

    Returns:
        The counts of at most 2,000 of them, drawn evenly; None where there are fewer than 200.
    """
    if len(photos.photos) < ENOUGH:
        return None
    metadata = read_metadata(data)
    drawn = np.linspace(0, len(photos.photos) - 1, min(MOST, len(photos.photos))).round().astype(int)
    chosen = replace(photos, photos=tuple(photos.photos[index] for index in drawn))
    values = _values(data, metadata, chosen, task_of(metadata.labels))
    edges: Mapping[Feature, Sequence[float]] = {**EDGES, "label": [k + 0.5 for k in range(len(metadata.labels) - 1)]}
    features = {feature: Histogram.of(values[feature], edges[feature]) for feature in values}
    return Reference(pictures=len(chosen.photos), features=features)


def _values(data: bytes, metadata: ModelMetadata, photos: Manifest, task: Task) -> dict[Feature, list[float]]:
    found: dict[Feature, list[float]] = {feature: [] for feature in (*EDGES, "label")}
    classifier = OnnxClassifier(data)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(photos.photos), PHOTOS_AT_ONCE):
            numbered = list(enumerate(photos.photos))[start : start + PHOTOS_AT_ONCE]
            seen = list(pool.map(lambda one: _look(photos, one[1], one[0], metadata, task), numbered))
            for one, answer in zip(seen, classifier.predict(np.stack([one.pixels for one in seen])), strict=True):
                index, probability, certain = metadata.decide(answer)
                row = (probability, certain, *light(one.pixels), *one.shape, index)
                for values, value in zip(found.values(), row, strict=True):
                    values.append(float(value))
    if task.made_by == "turning":
        del found["label"]
    return found


def _look(photos: Manifest, photo: Photo, index: int, metadata: ModelMetadata, task: Task) -> _Seen:
    image = photos.decode(photo, metadata.preprocessing.size)
    turned = turn_image(image, index % task.samples_per_photo)
    return _Seen(metadata.preprocessing.apply(turned), Shape.of(photo.width * photo.height, photo.width, photo.height))
