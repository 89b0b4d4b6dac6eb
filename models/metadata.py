"""What a model file says of itself: one JSON document under the key ``loupe`` of its ONNX ``metadata_props``."""

from base64 import b64decode
from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from models.drift import Reference
from models.errors import InvalidModelError
from models.metrics import AgainstFp32, Metrics, Probability
from models.preprocessing import Preprocessing
from models.wrong_value import wrong_value

PROPERTY = "loupe"
Tolerance = Annotated[float, Field(gt=0, le=1)]
Precision = Literal["fp32", "fp16", "int8"]
DeviceKind = Literal["cpu", "cuda", "tensorrt"]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Label(_Frozen):
    """One class.

    Attributes:
        name: as answers give it.
        certain_from: calibrated probability from which an answer with this label counts as certain; None: never, as
            long as nobody has calibrated the model.
        attributes: what a client may do with the label, e.g. ``{"rotate_clockwise": 270}``.
    """

    name: str = Field(min_length=1, max_length=200)
    certain_from: Probability | None = None
    attributes: dict[str, str | int | float | bool] = {}


class GoldenSample(_Frozen):
    """A picture as base64 of its PNG, and the probabilities that the model must give for it."""

    png: str
    probabilities: tuple[Probability, ...]

    @field_validator("png")
    @classmethod
    def _is_base64(cls, value: str) -> str:
        b64decode(value, validate=True)
        return value

    def image_bytes(self) -> bytes:
        """The encoded picture."""
        return b64decode(self.png, validate=True)


class Source(_Frozen):
    """Where training photos came from, and on what terms."""

    name: str
    images: int = Field(ge=0)
    licence: str = "unknown"


class Decision(NamedTuple):
    """``index`` of the label, its calibrated ``probability``, and whether that reaches the label's ``certain_from``."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which a decision has no use for
    probability: float
    certain: bool


class ModelMetadata(_Frozen):
    """All facts of a model; the arithmetic is in the graph.

    Attributes:
        graph_sha256: ``onnx_file.graph_sha256`` of the file that holds this document.
        limits: what users must know before they trust it, as text for people.
        default: whether ``/v1/predict`` asks this model when the caller names none.
        decision_threshold: two labels only: the second is answered from this probability on. None: the likeliest label.
        golden_tolerance: the largest absolute difference to a golden sample's probabilities, by kind of device.
        against_fp32: of a model of another precision: what that costs and gains.
        reference: what photos looked like to the model when it was made, for a service to compare its own with.
        training: facts of the run, as text for people: recipe, photos, epochs, duration.
    """

    schema_version: Literal[1] = 1
    name: Name
    version: int = Field(ge=1)
    description: str = ""
    limits: str = ""
    default: bool = True
    labels: tuple[Label, ...] = Field(min_length=2)
    preprocessing: Preprocessing
    decision_threshold: Probability | None = None
    precision: Precision = "fp32"
    graph_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    golden_samples: tuple[GoldenSample, ...] = ()
    golden_tolerance: dict[DeviceKind, Tolerance] = {"cpu": 1e-3, "cuda": 1e-2, "tensorrt": 1e-2}
    metrics: Metrics | None = None
    against_fp32: AgainstFp32 | None = None
    # Left out where there is none, so that versions which know no such field read the file.
    reference: Reference | None = Field(None, exclude_if=lambda value: value is None)
    sources: tuple[Source, ...] = ()
    training: dict[str, str] = {}
    tools: dict[str, str] = {}
    git_revision: str = "unknown"
    created: str = ""
    licence: str = "Apache-2.0"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = self.label_names
        if len(set(names)) != len(names):
            raise ValueError("two labels have the same name")
        if self.decision_threshold is not None and len(names) != 2:
            raise ValueError(f"a decision_threshold is for two labels, this model has {len(names)}")
        if any(len(sample.probabilities) != len(names) for sample in self.golden_samples):
            raise ValueError(f"a golden sample does not have {len(names)} probabilities, one for each label")
        return self

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names in the order of the output's columns."""
        return tuple(label.name for label in self.labels)

    def decide(self, probabilities: NDArray[np.float32]) -> Decision:
        """Applies the decision rule to one image's ``float32[K]``."""
        if self.decision_threshold is None:
            index = int(probabilities.argmax())
        else:
            index = int(probabilities[1] >= self.decision_threshold)
        probability = float(probabilities[index])
        certain_from = self.labels[index].certain_from
        return Decision(index, probability, certain_from is not None and probability >= certain_from)

    def to_properties(self) -> dict[str, str]:
        """The ONNX ``metadata_props`` that hold this document."""
        return {PROPERTY: self.model_dump_json()}

    @classmethod
    def from_properties(cls, properties: Mapping[str, str]) -> Self:
        """Reads the document back.

        Raises:
            InvalidModelError: it is missing, or not of this schema; the message names the first field that is wrong.
        """
        if PROPERTY not in properties:
            raise InvalidModelError(
                f"the ONNX file has no metadata under the key `{PROPERTY}`; `loupe-train import` adds it"
            )
        try:
            return cls.model_validate_json(properties[PROPERTY])
        except ValidationError as error:
            raise InvalidModelError(f"the model's metadata is wrong {wrong_value(error)}") from None
