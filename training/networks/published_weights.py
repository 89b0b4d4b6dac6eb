"""Weights back from a model file that was published: its kernels, dequantized, in a network of the same architecture.

What an int8 file lost by rounding stays lost, but a network that goes on from it soon finds it again; the hours that it
took to learn the rest need not be spent twice, and the run folder that it came from need not be kept.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
from keras import layers
from numpy.typing import NDArray
from onnx import numpy_helper

from models.errors import TrainingError

_WITH_WEIGHTS = layers.Conv2D | layers.DepthwiseConv2D | layers.Dense
Floats = NDArray[np.float32]
Network = list[tuple[Floats, Floats]]


def load_published_weights(model: keras.Model, path: Path) -> None:
    """Gives a network the weights of an ONNX file that was exported from its architecture, at any precision.

    Of a cascade, those of the first stage that is of this architecture. A last layer for other labels keeps its fresh
    weights.

    Args:
        model: convolutions, each with a bias, and dense layers, in the order in which a picture meets them.
        path: of the file.

    Raises:
        TrainingError: it is no ONNX file, or of another architecture.
    """
    mine = [layer for layer in model.layers if isinstance(layer, _WITH_WEIGHTS)]
    networks = list(_networks(_read(path)))
    theirs = next((network for network in networks if _fits(mine, network)), None)
    if theirs is None:
        counts = " and ".join(str(len(network)) for network in networks)
        raise TrainingError(f"{path} holds no weights of {model.name}: {counts} layers of it or of other sizes")
    for layer, (kernel, bias) in zip(mine, theirs, strict=True):
        arrays = [_as_in(layer, kernel), bias]
        if [array.shape for array in arrays] == _shapes(layer):
            layer.set_weights(arrays)


def _fits(mine: Sequence[keras.Layer], theirs: Network) -> bool:
    """Whether layer by layer the sizes are the same, but for the number of labels."""
    if len(theirs) != len(mine):
        return False
    found = [[_as_in(layer, kernel).shape, bias.shape] for layer, (kernel, bias) in zip(mine, theirs, strict=True)]
    shapes = [_shapes(layer) for layer in mine]
    return found[:-1] == shapes[:-1] and found[-1][0][:-1] == shapes[-1][0][:-1]


def _shapes(layer: keras.Layer) -> list[tuple[int, ...]]:
    return [tuple(array.shape) for array in layer.get_weights()]


def _read(path: Path) -> onnx.ModelProto:
    try:
        return onnx.load(path)
    except Exception as error:  # protobuf's own, of many kinds
        raise TrainingError(f"{path} is no ONNX file: {error}") from None


def _networks(model: onnx.ModelProto) -> Iterator[Network]:
    """Yields those of the graph itself, and those of branches within it: a cascade's first stage and the others."""
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    graphs = [model.graph]
    while graphs:
        graph = graphs.pop(0)
        graphs += [attribute.g for node in graph.node for attribute in node.attribute if attribute.HasField("g")]
        if network := list(_weights(graph, constants)):
            yield network


def _weights(graph: onnx.GraphProto, constants: Mapping[str, NDArray[Any]]) -> Iterator[tuple[Floats, Floats]]:
    """Yields kernel (ONNX's axes) and bias of each convolution and of the last layer, in the graph's order."""
    made_by = {output: node for node in graph.node for output in node.output}

    def value(name: str) -> Floats:
        if name in constants:
            return constants[name].astype(np.float32)
        if name not in made_by or made_by[name].op_type != "DequantizeLinear":
            raise TrainingError(f"the weights {name} are computed in the graph, and cannot be read from it")
        whole, scale, zero = (constants[part].astype(np.float32) for part in made_by[name].input)
        axis = next((attribute.i for attribute in made_by[name].attribute if attribute.name == "axis"), 1)
        by_channel = [-1 if place == axis else 1 for place in range(whole.ndim)] if scale.size > 1 else []
        return (whole - zero.reshape(by_channel)) * scale.reshape(by_channel)

    def bias(node: onnx.NodeProto, outputs: int) -> Floats:
        """A bias of zeros is left out of the graph; that of a product may be added behind it."""
        if len(node.input) > 2:
            return value(node.input[2])
        behind = [after for after in graph.node if after.op_type == "Add" and node.output[0] in after.input]
        added = [name for after in behind for name in after.input if name in constants]
        return value(added[0]).reshape(-1) if node.op_type == "MatMul" and added else np.zeros(outputs, np.float32)

    for node in graph.node:
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            kernel = value(node.input[1])
            yield kernel, bias(node, kernel.shape[0 if node.op_type == "Conv" else 1])


def _as_in(layer: keras.Layer, kernel: Floats) -> Floats:
    """A kernel with Keras' axes: height, width, inputs, outputs; of depthwise ones, inputs and 1."""
    if isinstance(layer, layers.Dense) or kernel.ndim != 4:
        return kernel
    return kernel.transpose(2, 3, 0, 1) if isinstance(layer, layers.DepthwiseConv2D) else kernel.transpose(2, 3, 1, 0)
