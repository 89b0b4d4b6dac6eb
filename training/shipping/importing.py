"""A classifier trained elsewhere → one of ours: uint8 in, normalisation and softmax inside the graph, stamped."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import TensorProto, compose, helper, numpy_helper
from pydantic import ValidationError

from models.errors import ExportError
from models.images import decode
from models.metadata import Label, ModelMetadata
from models.onnx_file import graph_sha256
from models.preprocessing import Preprocessing
from training.graph.inference import OnnxClassifier
from training.graph.parity import check_parity
from training.shipping.card import IMPORTED
from training.shipping.golden import golden_pictures, golden_samples
from training.shipping.stamp import git_revision, stamp

_PREFIX = "loupe_import/"  # of what is added
_OLDEST_OPSET = 7  # from which on the added nodes mean what they mean today
_GIVEN = "given/"  # of all names of the given graph, whose input may be named `image` as ours is


@dataclass(frozen=True)
class ForeignModel:
    """What an ONNX file cannot say of itself.

    Attributes:
        labels: in the order of the output's columns.
        mean: subtracted from pixels in [0, 1], by channel.
        std: what the difference is divided by, by channel.
        layout: order of the float input's axes.
        output: what the graph gives; ``auto`` asks it about four photographs.

    Raises:
        ExportError: mean and std are not of the same length, or a std is not above 0.
    """

    labels: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    layout: Literal["nchw", "nhwc"]
    output: Literal["auto", "logits", "probabilities"] = "auto"

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std) or not all(value > 0 for value in self.std):
            raise ExportError(
                f"mean and std need a number for each channel, std above 0; given are {self.mean} and {self.std}"
            )


def import_onnx(path: Path, name: str, description: str, preprocessing: Preprocessing, foreign: ForeignModel) -> bytes:
    """Wraps a float32 classifier.

    Args:
        path: the ONNX file: one input ``float32[N,C,H,W]`` or ``[N,H,W,C]``, one output ``float32[N,K]`` or ``[N,1]``.
        name: of the model.
        description: one sentence for people.
        preprocessing: how pictures meet the input.
        foreign: what the file cannot say of itself.

    Returns:
        A stamped file of ours, whose answers were checked against the given file's.

    Raises:
        ExportError: the file is no such classifier, its batch size is fixed, or the labels do not fit its output.
    """
    given = _load(path)
    _check_input(given, preprocessing, foreign.layout)
    pictures = _pictures(preprocessing)
    raw = _raw_outputs(given, _normalised(pictures, foreign))
    probabilities = foreign.output == "probabilities" or (foreign.output == "auto" and _are_probabilities(raw))
    columns = max(2, raw.shape[1])
    if columns != len(foreign.labels):
        raise ExportError(f"{path} answers {columns} labels, {len(foreign.labels)} were named")
    data = _wrapped(given, preprocessing, foreign, raw.shape[1], probabilities).SerializeToString()
    check_parity(_expected(raw, probabilities), data, pictures)
    origin = {
        IMPORTED: path.name,
        "graph made by": f"{given.producer_name} {given.producer_version}".strip(),
    }
    try:
        return stamp(data, _metadata(data, name, description, preprocessing, foreign.labels, origin))
    except ValidationError as error:
        first = error.errors()[0]
        raise ExportError(f"{'.'.join(map(str, first['loc'])) or 'labels'}: {first['msg']}") from None


def _metadata(
    data: bytes,
    name: str,
    description: str,
    preprocessing: Preprocessing,
    labels: Sequence[str],
    origin: dict[str, str],
) -> ModelMetadata:
    return ModelMetadata(
        name=name,
        version=1,
        description=description,
        default=False,
        labels=tuple(Label(name=label) for label in labels),
        preprocessing=preprocessing,
        graph_sha256=graph_sha256(data),
        golden_samples=golden_samples(data, preprocessing),
        training=origin,
        tools={"onnx": onnx.__version__},
        git_revision=git_revision(),
        licence="as the imported file's",
    )


def _load(path: Path) -> onnx.ModelProto:
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except (OSError, DecodeError, onnx.checker.ValidationError) as error:
        raise ExportError(f"{path} is not an ONNX model that can be read: {str(error).splitlines()[0]}") from None
    return model


def _check_input(model: onnx.ModelProto, preprocessing: Preprocessing, layout: str) -> None:
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) != 1 or len(model.graph.output) != 1:
        raise ExportError(
            f"one input and one output are wanted, the graph has {len(inputs)} and {len(model.graph.output)}"
        )
    opset = next((opset.version for opset in model.opset_import if opset.domain in ("", "ai.onnx")), 0)
    if opset < _OLDEST_OPSET:
        raise ExportError(f"the graph is of opset {opset}; at least {_OLDEST_OPSET} is wanted")
    tensor = inputs[0].type.tensor_type
    height, width, channels = preprocessing.shape
    wanted = [channels, height, width] if layout == "nchw" else [height, width, channels]
    given = [dimension.dim_value for dimension in tensor.shape.dim]
    if tensor.elem_type != TensorProto.FLOAT or len(given) != 4:
        raise ExportError(f"a float32 input with four axes is wanted, {inputs[0].name} is not one")
    if given[0]:
        raise ExportError(
            f"the batch axis is fixed at {given[0]}; export the model again with a free (dynamic) batch axis"
        )
    if any(size and size != want for size, want in zip(given[1:], wanted, strict=True)):
        raise ExportError(f"the input is {given[1:]}, but --size and --layout {layout} mean {wanted}")


def _pictures(preprocessing: Preprocessing) -> NDArray[np.uint8]:
    upright = np.stack([preprocessing.apply(decode(picture, preprocessing.size)) for picture in golden_pictures()])
    return np.concatenate([upright, upright[:, ::-1]])  # more than seven, the larger batch that parity is checked at


def _normalised(pictures: NDArray[np.uint8], foreign: ForeignModel) -> NDArray[np.float32]:
    """What the given graph wants to see, computed outside of any graph."""
    pixels: NDArray[np.float64] = (pictures.astype(np.float64) / 255 - np.array(foreign.mean)) / np.array(foreign.std)
    return (pixels.transpose(0, 3, 1, 2) if foreign.layout == "nchw" else pixels).astype(np.float32)


def _raw_outputs(model: onnx.ModelProto, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    weights = {tensor.name for tensor in model.graph.initializer}
    name = next(value.name for value in model.graph.input if value.name not in weights)
    try:
        outputs: NDArray[np.float32] = OnnxClassifier(model.SerializeToString(), name).predict(pixels)
    except Exception as error:  # ONNX Runtime's errors have no other base
        raise ExportError(f"ONNX Runtime cannot run the graph: {str(error).splitlines()[0]}") from None
    if outputs.ndim != 2:
        raise ExportError(f"an output [N, K] is wanted, the graph gives one with {outputs.ndim} axes")
    return outputs


def _are_probabilities(raw: NDArray[np.float32]) -> bool:
    in_range = bool(((raw >= 0) & (raw <= 1)).all())
    return in_range and (raw.shape[1] == 1 or bool(np.allclose(raw.sum(axis=1), 1, atol=1e-3)))


def _expected(raw: NDArray[np.float32], probabilities: bool) -> NDArray[np.float32]:
    """The probabilities that the wrapped graph must answer, computed outside of any graph."""
    logits = raw.astype(np.float64)
    if raw.shape[1] == 1:
        second = logits if probabilities else 1 / (1 + np.exp(-logits))
        return np.concatenate([1 - second, second], axis=1).astype(np.float32)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: NDArray[np.float32] = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return raw if probabilities else shares


def _wrapped(
    given: onnx.ModelProto, preprocessing: Preprocessing, foreign: ForeignModel, columns: int, probabilities: bool
) -> onnx.ModelProto:
    """Adds nodes before the graph's input and behind its output."""
    model = compose.add_prefix(given, _GIVEN)
    model.ir_version = max(model.ir_version, 4)  # before, constants had to be inputs too
    graph = model.graph
    weights = {tensor.name for tensor in graph.initializer}
    old_input = next(value for value in graph.input if value.name not in weights)
    head = _head(graph, old_input.name, foreign)
    tail = _tail(graph, graph.output[0].name, columns, probabilities)
    body = list(graph.node)
    del graph.node[:]
    graph.node.extend([*head, *body, *tail])
    graph.input.remove(old_input)
    graph.input.append(helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", *preprocessing.shape]))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", max(2, columns)]))
    onnx.checker.check_model(model)
    return model


def _constant(graph: onnx.GraphProto, name: str, value: Sequence[float]) -> str:
    graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), _PREFIX + name))
    return _PREFIX + name


def _head(graph: onnx.GraphProto, target: str, foreign: ForeignModel) -> list[onnx.NodeProto]:
    """uint8 [N,H,W,C] → (pixels / 255 - mean) / std, in the graph's layout: one multiplication and one addition."""
    std = np.array(foreign.std)
    scale = _constant(graph, "scale", list(1 / (255 * std)))
    offset = _constant(graph, "offset", list(-np.array(foreign.mean) / std))
    last = [_PREFIX + "normalised"] if foreign.layout == "nchw" else [target]
    nodes = [
        helper.make_node("Cast", ["image"], [_PREFIX + "float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [_PREFIX + "float", scale], [_PREFIX + "scaled"]),
        helper.make_node("Add", [_PREFIX + "scaled", offset], last),
    ]
    if foreign.layout == "nchw":
        nodes.append(helper.make_node("Transpose", last, [target], perm=[0, 3, 1, 2]))
    return nodes


def _tail(graph: onnx.GraphProto, source: str, columns: int, probabilities: bool) -> list[onnx.NodeProto]:
    """Logits or probabilities, one column or more → the output ``probabilities`` with a column for each label."""
    if columns > 1:
        if probabilities:
            return [helper.make_node("Identity", [source], ["probabilities"])]
        return [helper.make_node("Softmax", [source], ["probabilities"], axis=1)]
    second = _PREFIX + "second"
    one = _constant(graph, "one", [1.0])
    return [
        helper.make_node("Identity" if probabilities else "Sigmoid", [source], [second]),
        helper.make_node("Sub", [one, second], [_PREFIX + "first"]),
        helper.make_node("Concat", [_PREFIX + "first", second], ["probabilities"], axis=1),
    ]
