"""How photos look to a model: counts that know no photo, taken in training and in service, and how far they differ."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from math import log
from typing import Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

Feature = Literal["probability", "certain", "label", "brightness", "contrast", "size", "aspect"]

EDGES: Mapping[Feature, tuple[float, ...]] = {
    "probability": (0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995),
    "certain": (0.5,),
    "brightness": (40, 60, 80, 100, 120, 140, 160, 180, 200),
    "contrast": (20, 30, 40, 50, 60, 70, 80, 90),
    "size": (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20),
    "aspect": (1.02, 1.2, 1.3, 1.36, 1.45, 1.55, 1.7, 2),
}
"""Where bins begin that new references are counted in: of labels, one each. An old file keeps the edges that it has."""

RARE = 0.01
"""Bins of which the reference has a smaller share count as one, so that chance in many of them is no drift."""

_SAMPLES = 16  # along a side, of the pixels that tell brightness and contrast: 10 to 20 us
_PRIOR = 0.5  # added to each bin's count, as no share may be zero


class Histogram(BaseModel):
    """How often a number fell into each bin.

    Attributes:
        edges: where each bin but the first begins, rising.
        counts: one more than there are edges.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    edges: tuple[float, ...] = Field(min_length=1)
    counts: tuple[int, ...]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.counts) != len(self.edges) + 1 or min(self.counts) < 0 or not sum(self.counts):
            raise ValueError("a histogram has one count more than edges, none below zero and not all of them zero")
        if list(self.edges) != sorted(set(self.edges)):
            raise ValueError("the edges of a histogram rise")
        return self

    @classmethod
    def of(cls, values: Sequence[float], edges: Sequence[float]) -> Self:
        """Counts numbers, of which there must be some."""
        counts = np.bincount([bisect_right(edges, value) for value in values], minlength=len(edges) + 1)
        return cls(edges=tuple(edges), counts=tuple(int(count) for count in counts))


class Reference(BaseModel):
    """What a model's own photos look like to it, those of its test: the same kind as it learned from, not learned.

    Attributes:
        pictures: how many were counted.
        features: a histogram of each, by name; ``label`` is missing where labels are made by turning, as their
            shares then say nothing of the photos.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pictures: int = Field(ge=1)
    features: dict[Feature, Histogram]


class Shape(NamedTuple):
    """Of a whole picture, as it was sent: ``megapixels``, and the longer side over the shorter one."""

    megapixels: float
    aspect: float

    @classmethod
    def of(cls, pixels: int, width: int, height: int) -> Self:
        """Of a picture of so many pixels, and of the sides of any copy of it."""
        return cls(pixels / 1e6, max(width, height) / max(1, min(width, height)))


def light(pixels: NDArray[np.uint8]) -> tuple[float, float]:
    """Brightness and contrast of ``uint8[H,W,C]``, the mean and the deviation of about 16 x 16 of its pixels."""
    step = max(1, min(pixels.shape[:2]) // _SAMPLES)
    sample = pixels[::step, ::step].ravel().astype(np.float32)
    mean = float(sample.mean())
    return mean, max(0.0, float(sample @ sample) / sample.size - mean * mean) ** 0.5


def stability_index(reference: Sequence[int], now: Sequence[int]) -> float:
    """The population-stability index of two sets of counts in the same bins.

    Below 0.1 they are taken for alike, above 0.25 for different; so many pictures n and m of one kind, in B bins, are
    apart by (B - 1)(1/n + 1/m) in the mean. Source: Yurdakul and Naranjo (2020), "Statistical properties of the
    population stability index".
    """
    kept, other = _without_rare(reference, now)
    totals = sum(kept) + _PRIOR * len(kept), sum(other) + _PRIOR * len(kept)
    shares = [((a + _PRIOR) / totals[0], (b + _PRIOR) / totals[1]) for a, b in zip(kept, other, strict=True)]
    return sum((b - a) * log(b / a) for a, b in shares)


def _without_rare(reference: Sequence[int], now: Sequence[int]) -> tuple[list[int], list[int]]:
    """Both with the bins that the reference hardly has added up in a last one."""
    least = RARE * sum(reference)
    often = [index for index, count in enumerate(reference) if count >= least]
    parts = ([counts[index] for index in often] for counts in (reference, now))
    first, second = ([*part, sum(counts) - sum(part)] for part, counts in zip(parts, (reference, now), strict=True))
    return (first, second) if first[-1] or second[-1] else (first[:-1], second[:-1])
