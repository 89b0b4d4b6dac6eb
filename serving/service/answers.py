"""What the service answers: for each image a prediction of each model, and how long it took."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from models.errors import ImageError
from serving.engine.classifier import Prediction


class Timing(NamedTuple):
    """Seconds of each step; of several images or models, the longest."""

    decode: float = 0.0
    preprocess: float = 0.0
    queue: float = 0.0
    inference: float = 0.0

    @classmethod
    def longest(cls, timings: Sequence["Timing"]) -> "Timing":
        """Of each step."""
        if len(timings) == 1:
            return timings[0]
        return cls(*map(max, zip(*timings, strict=True))) if timings else cls()


Answer = dict[str, Prediction] | ImageError
"""What one image got: a prediction of each model by its name, or why the image cannot be used."""


@dataclass(slots=True)
class Answers:
    """One answer for each image, in order, and of each model the one version that gave them all."""

    images: list[Answer]
    timing: Timing
    versions: dict[str, str]
