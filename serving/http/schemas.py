"""The wire format: what bodies and answers look like."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, Field

from models.metrics import Metrics
from serving.engine.classifier import Prediction


class ErrorBody(BaseModel):
    """Every error: one sentence that says what was given and what is allowed."""

    error: str
    error_type: str


Key = str | int | float | bool | None
"""What a caller wants back beside the answer to its image."""


@dataclass(frozen=True)
class KeyedPrediction(Prediction):
    """An answer with the ``key`` of its instance."""

    key: Key = None


class KeyedError(ErrorBody):
    """An error with the ``key`` of its instance."""

    key: Key = None


PredictionOrError = Prediction | KeyedPrediction | KeyedError | ErrorBody


def with_key(row: Prediction | ErrorBody, key: Key) -> PredictionOrError:
    """The same, with what the caller wants back."""
    return KeyedPrediction(**vars(row), key=key) if isinstance(row, Prediction) else KeyedError(**dict(row), key=key)


@dataclass(slots=True)
class ModelAnswer:
    """One model's predictions, one for each image, in order."""

    model: str
    version: str
    predictions: list[PredictionOrError]


class ModelsAnswer(BaseModel):
    """Several models' predictions for the same images."""

    results: dict[str, ModelAnswer]


class Rows(BaseModel):
    """Answer to ``instances``."""

    predictions: list[PredictionOrError]


class Columns(BaseModel):
    """One list for each named output, in the order of the images; ``null`` in the place of a bad image.

    ``labels`` and ``probabilities`` belong together; ``error`` and ``error_type`` are there only if an image is bad,
    ``key`` only if the request has it.
    """

    label: list[str | None]
    probability: list[float | None]
    certain: list[bool | None]
    labels: list[list[str] | None]
    probabilities: list[list[float] | None]
    attributes: list[dict[str, str | int | float | bool] | None]
    error: list[str | None] | None = Field(None, exclude_if=lambda value: value is None)
    error_type: list[str | None] | None = Field(None, exclude_if=lambda value: value is None)
    key: list[Key] | None = Field(None, exclude_if=lambda value: value is None)


class ColumnsAnswer(BaseModel):
    """Answer to ``inputs``."""

    outputs: Columns


class LoadedModel(BaseModel):
    """A model that is being served."""

    name: str
    version: str
    description: str
    default: bool
    labels: list[str]
    provider: str


class LoadedModels(BaseModel):
    """All models that are being served."""

    models: list[LoadedModel]


class StatusMessage(BaseModel):
    """TensorFlow Serving's error code of a version."""

    error_code: Literal["OK"] = "OK"
    error_message: str = ""


State = Literal["AVAILABLE", "LOADING", "UNLOADING"]


class VersionStatus(BaseModel):
    """TensorFlow Serving's state of a version."""

    version: str
    state: State
    status: StatusMessage = StatusMessage()


class ModelStatus(BaseModel):
    """TensorFlow Serving's model status, and what KServe's servers say beside it."""

    model_version_status: list[VersionStatus]
    name: str
    ready: bool


class Live(BaseModel):
    """The event loop turns."""

    live: bool = True


class Ready(BaseModel):
    """Every model is loaded, warm and right on its golden samples."""

    ready: bool = True


class ModelHealth(BaseModel):
    """One model's health."""

    version: str
    ready: bool


class Health(BaseModel):
    """Both, model by model."""

    live: bool
    ready: bool
    models: dict[str, ModelHealth]


class Offers(BaseModel):
    """What the operator has turned on: explanations, corrections, and whether corrected photos are kept."""

    explain: bool
    feedback: bool
    feedback_photos: bool


class ServiceVersion(BaseModel):
    """Which Loupe answers."""

    version: str
    git_revision: str


class Headline(BaseModel):
    """The three figures that tell most of what was measured on a file; its metadata has all of them."""

    accuracy: float
    certain_share: float
    certain_accuracy: float | None

    @classmethod
    def of(cls, metrics: Metrics | None) -> "Headline | None":
        """Those of a model's metrics."""
        return None if metrics is None else cls(**metrics.model_dump(include=set(cls.model_fields)))


class ModelVersion(BaseModel):
    """Which file answers, where it runs, and how good it is."""

    version: str
    sha256: str
    provider: str
    labels: list[str]
    metrics: Headline | None


class Version(BaseModel):
    """``provider`` is the one in use."""

    service: ServiceVersion
    onnxruntime: str
    provider: str
    offers: Offers
    models: dict[str, ModelVersion]
