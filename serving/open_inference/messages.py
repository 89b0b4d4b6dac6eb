"""What an infer call says, and what it gets: the same for HTTP and gRPC.

Source: https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
"""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, field_validator

from models.errors import RequestError
from models.metadata import ModelMetadata
from models.wrong_value import TOO_LONG, wrong_value
from serving.settings.version import service_version

INPUT, OUTPUT, PLATFORM = "image", "probabilities", "onnx_onnxv1"
BYTES_A_VALUE = 128
"""Of a body that is read in the time in which one value of an answer is made or written, half a microsecond."""

Value = TypeVar("Value", bool, int, str)
# JSON clients write null where they have nothing to say.
Parameters = Annotated[dict[str, Any], BeforeValidator(lambda value: {} if value is None else value)]
Extent = Annotated[int, Field(strict=True, ge=0, le=2**31)]
_One = TypeVar("_One")
# One wrong thing is told, and a list of 10,000 may have as many.
_Several = Annotated[list[_One], Field(fail_fast=True)]


def _text(value: object) -> object:
    """Clients number their requests, and not all write the number as text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class InputTensor(BaseModel):
    """One input.

    Attributes:
        data: elements row by row, as a list, flat or nested; or, as bytes, in the layout of the binary extension.
    """

    name: str
    datatype: str
    shape: _Several[Extent]
    parameters: Parameters = {}
    data: Any = None

    @field_validator("data")
    @classmethod
    def _is_list_or_binary(cls, value: object) -> object:
        """JSON has no bytes: those come from behind it, or from gRPC."""
        if value is None or isinstance(value, (list, bytes)):
            return value
        raise ValueError('must be a list, such as [1, 2] or ["/9j/4AAQ…"]')


class RequestedOutput(BaseModel):
    """One output that the caller wants, and in which form."""

    name: str
    parameters: Parameters = {}


class InferRequest(BaseModel):
    """One infer call; no outputs: all of them."""

    id: Annotated[str | None, BeforeValidator(_text)] = None
    parameters: Parameters = {}
    inputs: _Several[InputTensor]
    outputs: _Several[RequestedOutput] | None = None


class OutputTensor(BaseModel):
    """One output; ``data`` is flat."""

    name: str
    datatype: Literal["FP32", "BYTES"]
    shape: list[int]
    data: list[float] | list[str]


class InferResponse(BaseModel):
    """The answer to an infer call."""

    model_name: str
    model_version: str
    id: str | None = Field(None, exclude_if=lambda value: not value)
    outputs: list[OutputTensor]

    @property
    def work_bytes(self) -> int:
        """Of what takes as long to write, for ``off_loop``."""
        return sum(len(output.data) for output in self.outputs) * BYTES_A_VALUE


class ServerMetadata(BaseModel):
    """Which server answers, and which extensions of the protocol it has."""

    name: str = "loupe"
    version: str = Field(default_factory=service_version)
    extensions: tuple[str, ...] = (
        "binary_tensor_data",
        "classification",
        "model_configuration",
        "model_repository",
        "statistics",
    )


class ModelReady(BaseModel):
    """A model is loaded, warm and right on its golden samples."""

    name: str
    ready: bool = True


class TensorMetadata(BaseModel):
    """An input or output; -1 is the free batch axis."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadataResponse(BaseModel):
    """What a model takes and gives."""

    name: str
    versions: list[str]
    platform: str = PLATFORM
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]

    @classmethod
    def of(cls, metadata: ModelMetadata, versions: list[str]) -> "ModelMetadataResponse":
        """Reads a loaded model's metadata; ``versions`` are all that are loaded."""
        image = TensorMetadata(name=INPUT, datatype="UINT8", shape=[-1, *metadata.preprocessing.shape])
        probabilities = TensorMetadata(name=OUTPUT, datatype="FP32", shape=[-1, len(metadata.labels)])
        return cls(name=metadata.name, versions=versions, inputs=[image], outputs=[probabilities])


class IndexRequest(BaseModel):
    """What to list: all, or only what is ready."""

    ready: bool = False


class ControlRequest(BaseModel):
    """Parameters of load and unload; ``unload_dependents`` changes nothing, as no model here has any."""

    parameters: Parameters = {}


class IndexEntry(BaseModel):
    """One version on disk or in memory, and why it is in its state."""

    name: str
    version: str
    state: str
    reason: str


def parameter(parameters: dict[str, Any], name: str, default: Value) -> Value:
    """A parameter of the default's type.

    Raises:
        RequestError: it is of another type.
    """
    value = parameters.get(name, default)
    if isinstance(value, memoryview):
        raise RequestError(f"the parameter {name} is {TOO_LONG}")
    if type(value) is not type(default):  # a bool is an int to isinstance
        raise RequestError(f"the parameter {name} is {str(value)[:100]!r}; it must be a {type(default).__name__}")
    return value


def malformed(error: ValidationError, what: str) -> RequestError:
    """The first thing that is wrong with it, in one sentence."""
    return RequestError(f"the {what} is malformed {wrong_value(error)}")
