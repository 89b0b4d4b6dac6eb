"""What a service answers about answers: what they hang on, what is right instead, and whether photos drift."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import httpx

from loupe.answers import Prediction

_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Explanation:
    """What an answer hangs on.

    Attributes:
        model: that was asked.
        prediction: its answer.
        label: that is explained.
        fall: seven rows from top to bottom of seven numbers from left to right: by how much the probability of
            ``label`` falls when a part of the picture, a sixth of its width and height, is hidden there.
    """

    model: str
    prediction: Prediction
    label: str
    fall: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, response: httpx.Response) -> Self:
        """Reads ``…:explain``."""
        body = response.json()
        fall = tuple(tuple(map(float, row)) for row in body["fall"])
        return cls(body["model"], Prediction.of(body["prediction"], body["version"]), body["label"], fall)


def drawing_of(response: httpx.Response) -> bytes:
    """Reads ``…:explain`` as a picture.

    Raises:
        ValueError: it is no PNG.
    """
    if not response.content.startswith(_PNG):
        raise ValueError("the answer is no PNG")
    return response.content


@dataclass(frozen=True)
class Correction:
    """What the service wrote down.

    Attributes:
        model: that was wrong.
        prediction: its answer.
        label: that is right.
        photo: whether the photo is kept too.
    """

    model: str
    prediction: Prediction
    label: str
    photo: bool

    @classmethod
    def of(cls, response: httpx.Response) -> Self:
        """Reads ``…:feedback``."""
        body = response.json()
        return cls(body["model"], Prediction.of(body["prediction"], body["version"]), body["label"], body["photo"])


@dataclass(frozen=True)
class FeatureDrift:
    """One feature of the last pictures, as shares of them that lie below, between and from the edges on.

    Attributes:
        index: the population-stability index; from 0.25 on they are taken for different. None until enough were seen.
        pictures: that were counted.
        edges: where each share but the first begins, rising.
        reference: of the model's own photos.
        now: of these; None with the index.
    """

    index: float | None
    pictures: int
    edges: tuple[float, ...]
    reference: tuple[float, ...]
    now: tuple[float, ...] | None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """Reads one of a model's features."""
        now = None if row["now"] is None else tuple(row["now"])
        return cls(row["index"], row["pictures"], tuple(row["edges"]), tuple(row["reference"]), now)


@dataclass(frozen=True)
class Drift:
    """What the last pictures look like to a model, beside its own photos.

    Attributes:
        model: its name.
        version: that saw them.
        reference_pictures: how many of its own photos were counted.
        enough_pictures: from which on an index is told.
        features: ``probability``, ``certain``, ``label``, ``brightness``, ``contrast``, ``size`` and ``aspect``, those
            that the model's file knows.
    """

    model: str
    version: str
    reference_pictures: int
    enough_pictures: int
    features: Mapping[str, FeatureDrift]

    @classmethod
    def of(cls, response: httpx.Response) -> Self:
        """Reads ``…/drift``."""
        body = response.json()
        features = {name: FeatureDrift.of(row) for name, row in body.pop("features").items()}
        names = ("model", "version", "reference_pictures", "enough_pictures")
        return cls(**{name: body[name] for name in names}, features=features)
