"""What a service answers, as frozen dataclasses; each is read from the wire by its ``of``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeAlias, cast, get_args

import httpx

from loupe.errors import ImageError, image_error

Attribute: TypeAlias = str | int | float | bool
Turn = Literal[0, 90, 180, 270]
HowTurned = Literal["none", "tag", "lossless", "reencoded"]


@dataclass(frozen=True)
class Prediction:
    """One model's answer for one photo.

    Attributes:
        label: by the model's decision rule.
        probability: calibrated, of ``label``.
        certain: whether ``probability`` reaches the label's threshold; nothing should be done to a photo without.
        probabilities: of every label.
        attributes: what to do with the label, such as ``{"rotate_clockwise": 270}``.
        version: of the model that answered.
    """

    label: str
    probability: float
    certain: bool
    probabilities: Mapping[str, float]
    attributes: Mapping[str, Attribute]
    version: str

    @classmethod
    def of(cls, row: dict[str, Any], version: str) -> Self:
        """Reads one of a model's predictions."""
        fields = {name: row[name] for name in ("label", "probability", "certain", "probabilities", "attributes")}
        return cls(**fields, version=version)


Predictions = Mapping[str, Prediction]
"""All models' answers for one photo, by the models' names."""

Answer = Predictions | ImageError
"""To one photo among several."""


def predictions_of(response: httpx.Response, images: int) -> list[Answer]:
    """Reads the answer to several photos: each one's, in their order.

    Raises:
        LookupError, TypeError, ValueError: it is not the answer to so many photos.
    """
    answers = response.json()["results"]
    return [_of_one(answers, index) for index in range(images)]


def _of_one(answers: dict[str, Any], index: int) -> Answer:
    rows = {name: answer["predictions"][index] for name, answer in answers.items()}
    for row in rows.values():
        if "error" in row:
            return image_error(row["error"], row["error_type"])
    return {name: Prediction.of(row, answers[name]["version"]) for name, row in rows.items()}


@dataclass(frozen=True)
class Upright:
    """A photo, upright.

    Attributes:
        data: the encoded photo; byte for byte what was sent if ``method`` is ``none``.
        rotated_clockwise: degrees by which it was turned, as a viewer shows it.
        probability: of the side that was taken for the top.
        certain: whether that was enough to turn anything.
        method: ``none``; ``tag``: the EXIF orientation alone; ``lossless``; ``reencoded``.
    """

    data: bytes
    rotated_clockwise: Turn
    probability: float
    certain: bool
    method: HowTurned

    @classmethod
    def of(cls, response: httpx.Response) -> Self:
        """Reads the photo and its headers.

        Raises:
            LookupError, ValueError: a header is missing or says something else.
        """
        told = {name: response.headers[f"Loupe-{name}"] for name in ("Rotated-Clockwise", "Certain", "Method")}
        turn = int(told["Rotated-Clockwise"])
        if turn not in get_args(Turn) or told["Method"] not in get_args(HowTurned):
            raise ValueError(f"{told} are not Loupe's headers")
        return cls(
            data=response.content,
            rotated_clockwise=cast(Turn, turn),
            probability=float(response.headers["Loupe-Probability"]),
            certain={"true": True, "false": False}[told["Certain"]],
            method=cast(HowTurned, told["Method"]),
        )


@dataclass(frozen=True)
class Model:
    """A model that is served.

    Attributes:
        name: to ask it by.
        version: that answers unless told otherwise.
        description: by whoever trained it.
        default: whether it answers callers who name no model.
        labels: in the model's order.
        provider: ONNX Runtime's name for where it runs.
    """

    name: str
    version: str
    description: str
    default: bool
    labels: tuple[str, ...]
    provider: str

    @classmethod
    def of(cls, row: dict[str, Any]) -> Self:
        """Reads one of ``/v1/models``."""
        names = ("name", "version", "description", "default", "provider")
        return cls(**{name: row[name] for name in names}, labels=tuple(row["labels"]))


@dataclass(frozen=True)
class Version:
    """Which Loupe answers.

    Attributes:
        service: its version.
        git_revision: the commit that it was built from.
        onnxruntime: the version of ONNX Runtime.
        provider: where the models run.
        models: by name: version, sha256, provider, labels, and the metrics that were measured on that very file.
    """

    service: str
    git_revision: str
    onnxruntime: str
    provider: str
    models: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, response: httpx.Response) -> Self:
        """Reads ``/version``."""
        body = response.json()
        service = body.pop("service")
        names = ("onnxruntime", "provider", "models")
        fields = {name: body[name] for name in names}
        return cls(service=service["version"], git_revision=service["git_revision"], **fields)


@dataclass(frozen=True)
class Health:
    """How the service is.

    Attributes:
        live: it answers.
        ready: it takes requests.
        models: whether each is ready, by name.
    """

    live: bool
    ready: bool
    models: Mapping[str, bool]

    @classmethod
    def of(cls, response: httpx.Response) -> Self:
        """Reads ``/health``."""
        body = response.json()
        return cls(body["live"], body["ready"], {name: one["ready"] for name, one in body["models"].items()})
