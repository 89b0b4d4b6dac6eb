"""Nodes before and behind a graph from elsewhere, so that it takes pixels and gives probabilities as ours do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, compose, helper, numpy_helper

from models.errors import ExportError
from training.shipping.foreign_graph import ForeignGraph, Layout, one_line

_PREFIX = "loupe_import/"  # of what is added
_GIVEN = "given/"  # of all names of the given graph, whose input may be named `image` as ours is


@dataclass(frozen=True)
class Normalisation:
    """What becomes of pixels before the given graph sees them.

    Attributes:
        mean: subtracted from pixels in [0, 1], by channel, in the order that the graph takes them.
        std: what the difference is divided by, by channel.
        layout: order of the float input's axes.
        channels: order of the colours; OpenCV's, and so many OCR models', is ``bgr``.

    Raises:
        ExportError: mean and std are not of the same length, or a std is not above 0.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    layout: Layout
    channels: Literal["rgb", "bgr"] = "rgb"

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std) or not all(value > 0 for value in self.std):
            raise ExportError(
                f"mean and std need a number for each channel, std above 0; given are {self.mean} and {self.std}"
            )

    def __str__(self) -> str:
        means, stds = (", ".join(f"{value:g}" for value in numbers) for numbers in (self.mean, self.std))
        return f"{self.channels}, mean {means}, standard deviation {stds}"

    def apply(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What the given graph wants to see of ``uint8[N,H,W,C]``, computed outside of any graph."""
        ordered = pictures[..., ::-1] if self.channels == "bgr" else pictures
        pixels: NDArray[np.float64] = (ordered.astype(np.float64) / 255 - np.array(self.mean)) / np.array(self.std)
        return (pixels.transpose(0, 3, 1, 2) if self.layout == "nchw" else pixels).astype(np.float32)


def wrapped(
    given: ForeignGraph, shape: tuple[int, int, int], normalisation: Normalisation, columns: int, probabilities: bool
) -> onnx.ModelProto:
    """Adds the nodes.

    Args:
        given: of any batch size.
        shape: (height, width, channels) of a picture.
        normalisation: what the nodes in front do.
        columns: of the graph's output; one becomes two.
        probabilities: whether the graph gives these; else logits.

    Raises:
        ExportError: onnx' checker refuses what comes out.
    """
    model = compose.add_prefix(given.proto, _GIVEN)
    model.ir_version = max(model.ir_version, 4)  # before, constants had to be inputs too
    graph = model.graph
    old_input = next(value for value in graph.input if value.name == _GIVEN + given.input_name)
    head = _head(graph, _PREFIX + "rows" if given.is_flat else old_input.name, normalisation)
    if given.is_flat:
        head.append(helper.make_node("Flatten", [_PREFIX + "rows"], [old_input.name], axis=1))
    tail = _tail(graph, graph.output[0].name, columns, probabilities)
    body = list(graph.node)
    del graph.node[:]
    graph.node.extend([*head, *body, *tail])
    graph.input.remove(old_input)
    graph.input.append(helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", *shape]))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", max(2, columns)]))
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise ExportError(f"the graph cannot be wrapped: {one_line(error)}") from None
    return model


def _constant(graph: onnx.GraphProto, name: str, value: NDArray[np.generic] | Sequence[float]) -> str:
    array = value if isinstance(value, np.ndarray) else np.array(value, np.float32)
    graph.initializer.append(numpy_helper.from_array(array, _PREFIX + name))
    return _PREFIX + name


def _head(graph: onnx.GraphProto, target: str, normalisation: Normalisation) -> list[onnx.NodeProto]:
    """uint8 [N,H,W,C] → (pixels / 255 - mean) / std, in the graph's layout: one multiplication and one addition."""
    std = np.array(normalisation.std)
    scale = _constant(graph, "scale", list(1 / (255 * std)))
    offset = _constant(graph, "offset", list(-np.array(normalisation.mean) / std))
    nodes = [helper.make_node("Cast", ["image"], [_PREFIX + "float"], to=TensorProto.FLOAT)]
    if normalisation.channels == "bgr":
        order = _constant(graph, "bgr", np.array([2, 1, 0], np.int64))
        nodes.append(helper.make_node("Gather", [_PREFIX + "float", order], [_PREFIX + "ordered"], axis=3))
    last = _PREFIX + "normalised" if normalisation.layout == "nchw" else target
    nodes += [
        helper.make_node("Mul", [nodes[-1].output[0], scale], [_PREFIX + "scaled"]),
        helper.make_node("Add", [_PREFIX + "scaled", offset], [last]),
    ]
    if normalisation.layout == "nchw":
        nodes.append(helper.make_node("Transpose", [last], [target], perm=[0, 3, 1, 2]))
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
