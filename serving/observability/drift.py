"""Drift: what people's photos look like to each model, counted beside what its own looked like when it was made.

Counts are all that is kept: of no photo can be told whether it is among them.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from models.drift import Feature, Histogram, Reference, Shape, light, stability_index
from models.metadata import ModelMetadata

BLOCK, BLOCKS = 250, 8
"""Pictures that are forgotten together, and how many such blocks make up the window."""

ENOUGH = 500
"""Pictures from which on an index is told: of fewer, chance alone would make too large a one."""

ONE_IN, EVERY_S = 4, 0.01
"""Of so many pictures one is looked at, and of a burst one in so many seconds: looking costs 1 to 3 % of an answer."""


@dataclass(frozen=True)
class FeatureDrift:
    """One feature of the last pictures.

    Attributes:
        pictures: that were counted, 2,000 at most.
        reference: of the model's own photos.
        counts: of these, in the same bins; None while they are so few that they would tell of single ones.
        index: the population-stability index of the two; None with them.
    """

    pictures: int
    reference: Histogram
    counts: tuple[int, ...] | None = None
    index: float | None = None


_OF_ANSWERS: tuple[Feature, ...] = ("probability", "certain", "label", "brightness", "contrast")
_OF_SHAPES: tuple[Feature, ...] = ("size", "aspect")


class _Window:
    """The last pictures, of some features that are seen together.

    Attributes:
        reference: of the file that saw them.
        passed: pictures that came since the start.
        due: the ``perf_counter()`` from which on another may be looked at.
    """

    def __init__(self, reference: Reference, features: Collection[Feature]) -> None:
        self.reference = reference
        self.passed, self.due = 0, 0.0
        self._edges = {name: one.edges for name, one in reference.features.items() if name in features}
        self._blocks = deque([self._block()], maxlen=BLOCKS)
        self._in_block = 0

    def add(self, values: Mapping[Feature, float]) -> None:
        """Counts one picture."""
        if self._in_block == BLOCK:
            self._blocks.append(self._block())
            self._in_block = 0
        self._in_block += 1
        block = self._blocks[-1]
        for feature, edges in self._edges.items():
            block[feature][bisect_right(edges, values[feature])] += 1

    def told(self) -> dict[Feature, FeatureDrift]:
        """Of each feature."""
        return {feature: self._told(feature) for feature in self._edges}

    def _told(self, feature: Feature) -> FeatureDrift:
        pictures, reference = (len(self._blocks) - 1) * BLOCK + self._in_block, self.reference.features[feature]
        if pictures < ENOUGH:
            return FeatureDrift(pictures, reference)
        counts = tuple(map(sum, zip(*(block[feature] for block in self._blocks), strict=True)))
        return FeatureDrift(pictures, reference, counts, stability_index(reference.counts, counts))

    def _block(self) -> dict[Feature, list[int]]:
        return {feature: [0] * (len(edges) + 1) for feature, edges in self._edges.items()}


class Drift:
    """Windows of all versions whose file has a reference; any thread may call."""

    def __init__(self, one_in: int = ONE_IN, every_s: float = EVERY_S) -> None:
        self._one_in, self._every_s = one_in, every_s
        self._windows: dict[tuple[str, int, Collection[Feature]], _Window] = {}
        self._lock = Lock()

    def saw(
        self, metadata: ModelMetadata, images: Sequence[NDArray[np.uint8]], probabilities: NDArray[np.float32]
    ) -> None:
        """Counts what a version answered, ``float32[N,K]``, to images ``uint8[H,W,C]``, those that it is time for."""
        for image, row in zip(images, probabilities, strict=True):
            if (window := self._due(metadata, _OF_ANSWERS)) is None:
                continue
            index, probability, certain = metadata.decide(row)
            brightness, contrast = light(image)
            with self._lock:
                window.add(dict(zip(_OF_ANSWERS, (probability, certain, index, brightness, contrast), strict=True)))

    def pictured(self, metadata: ModelMetadata, shape: Shape) -> None:
        """Counts the shape of a photo that a version was asked about, if it is time for one."""
        if (window := self._due(metadata, _OF_SHAPES)) is not None:
            with self._lock:
                window.add(dict(zip(_OF_SHAPES, shape, strict=True)))

    def of(self, metadata: ModelMetadata) -> dict[Feature, FeatureDrift]:
        """By feature; empty where the version's file has no reference."""
        with self._lock:
            windows = [self._window(metadata, features) for features in (_OF_ANSWERS, _OF_SHAPES)]
            return {name: one for window in windows if window is not None for name, one in window.told().items()}

    def _due(self, metadata: ModelMetadata, features: Collection[Feature]) -> _Window | None:
        with self._lock:
            window, now = self._window(metadata, features), perf_counter()
            if window is None:
                return None
            window.passed += 1
            if window.passed % self._one_in or now < window.due:
                return None
            window.due = now + self._every_s
            return window

    def _window(self, metadata: ModelMetadata, features: Collection[Feature]) -> _Window | None:
        """A file that was replaced has another reference, and begins anew."""
        if metadata.reference is None:
            return None
        key = (metadata.name, metadata.version, features)
        known = self._windows.get(key)
        if known is None or known.reference is not metadata.reference:
            known = self._windows[key] = _Window(metadata.reference, features)
        return known
