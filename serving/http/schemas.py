"""The wire format: what bodies and answers look like."""

from binascii import a2b_base64
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from models.metrics import Metrics
from serving.engine.classifier import Prediction


class ErrorBody(BaseModel):
    """Every error: one sentence that says what was given and what is allowed."""

    error: str
    error_type: str


PredictionOrError = Prediction | ErrorBody


class ModelAnswer(BaseModel):
    """One model's predictions, one for each image, in order."""

    model: str
    version: str
    predictions: list[PredictionOrError]


class ModelsAnswer(BaseModel):
    """Several models' predictions for the same images."""

    results: dict[str, ModelAnswer]


def _strict_base64(value: object) -> bytes:
    if not isinstance(value, str):
        raise ValueError("it must be a string of base64")
    try:
        return a2b_base64(value, strict_mode=True)
    except ValueError:
        raise ValueError("it is not base64") from None


def _unwrap_image(value: object) -> object:
    """The only input may be named, ``{"image": …}``, or not, as in TensorFlow Serving."""
    return value["image"] if isinstance(value, dict) and value.keys() == {"image"} else value


class EncodedImage(BaseModel):
    """An encoded photo as base64 (RFC 4648, section 4; no line breaks)."""

    model_config = ConfigDict(extra="forbid")

    b64: Annotated[bytes, BeforeValidator(_strict_base64)]


class TensorFlowRequest(BaseModel):
    """TensorFlow Serving's predict request, by rows (``instances``) or by columns (``inputs``)."""

    model_config = ConfigDict(extra="forbid")

    signature_name: str = "serving_default"
    instances: list[Annotated[EncodedImage, BeforeValidator(_unwrap_image)]] | None = None
    inputs: Annotated[list[EncodedImage] | None, BeforeValidator(_unwrap_image)] = None

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if (self.instances is None) == (self.inputs is None):
            raise ValueError("give either `instances` (rows) or `inputs` (columns)")
        return self


class Rows(BaseModel):
    """Answer to ``instances``."""

    predictions: list[PredictionOrError]


class Columns(BaseModel):
    """One list for each named output, in the order of the images; ``null`` in the place of a bad image.

    ``labels`` and ``probabilities`` belong together; ``error`` and ``error_type`` are there only if an image is bad.
    """

    label: list[str | None]
    probability: list[float | None]
    certain: list[bool | None]
    labels: list[list[str] | None]
    probabilities: list[list[float] | None]
    attributes: list[dict[str, str | int | float | bool] | None]
    error: list[str | None] | None = Field(None, exclude_if=lambda value: value is None)
    error_type: list[str | None] | None = Field(None, exclude_if=lambda value: value is None)


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
    """TensorFlow Serving's model status."""

    model_version_status: list[VersionStatus]


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


class ServiceVersion(BaseModel):
    """Which Loupe answers."""

    version: str
    git_revision: str


class ModelVersion(BaseModel):
    """Which file answers, where it runs, and what was measured on it."""

    version: str
    sha256: str
    provider: str
    labels: list[str]
    metrics: Metrics | None


class Version(BaseModel):
    """``provider`` is the one in use."""

    service: ServiceVersion
    onnxruntime: str
    provider: str
    models: dict[str, ModelVersion]
