"""An ONNX file that somebody else exported: read, checked, and freed of the batch size that it was exported with."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from models.errors import ExportError
from training.graph.inference import OnnxClassifier

_OLDEST_OPSET = 7  # from which on the added nodes mean what they mean today
_FREE_BATCH = (
    "export the model again with a free batch axis (torch.onnx.export: dynamic_shapes or dynamic_axes; Ultralytics: "
    "dynamic=True; Keras: a batch size of None; Paddle: an input spec that begins with None)"
)
_CHANNELS = (1, 3)
Layout = Literal["nchw", "nhwc"]


@dataclass(frozen=True)
class ForeignGraph:
    """One float32 input, one output.

    Attributes:
        proto: the file; other outputs that it had are dropped.
        input_name: of the input that is no weight.
        shape: of the input; None: free. Exporters write a free axis as a name, as 0 and as -1. Of two axes the second
            has all values of a picture, as scikit-learn's pipelines take it.
    """

    proto: onnx.ModelProto
    input_name: str
    shape: tuple[int | None, ...]

    @property
    def layout(self) -> Layout | None:
        """``nchw`` or ``nhwc``, where the shape tells."""
        if self.is_flat:
            return "nhwc"
        second, last = self.shape[1] in _CHANNELS, self.shape[3] in _CHANNELS
        return None if second == last else "nchw" if second else "nhwc"

    @property
    def is_flat(self) -> bool:
        """Whether a picture is a row of values."""
        return len(self.shape) == 2

    def run(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Asks the graph as it is: ``float32[N,…]`` → ``float32[N,K]``.

        Raises:
            ExportError: ONNX Runtime cannot run it, or its output has not two axes.
        """
        pixels = pixels.reshape(len(pixels), -1) if self.is_flat else pixels
        batch = self.shape[0] or len(pixels)
        short = -len(pixels) % batch
        padded = np.concatenate([pixels, pixels[:1].repeat(short, axis=0)])
        try:
            outputs = OnnxClassifier(self.proto.SerializeToString(), self.input_name).predict(padded, batch)
        except Exception as error:  # ONNX Runtime's errors have no other base
            raise ExportError(f"ONNX Runtime cannot run the graph: {one_line(error)}") from None
        if outputs.ndim != 2:
            raise ExportError(f"an output [N, K] is wanted, the graph gives one with {outputs.ndim} axes")
        return outputs[: len(pixels)]

    def freed(self, pixels: NDArray[np.float32]) -> "ForeignGraph":
        """The same graph for batches of any size.

        Args:
            pixels: at least seven; at batch 1 and 7 the graph must answer as it did.

        Raises:
            ExportError: its batch size is fixed inside.
        """
        if self.shape[0] is None:
            return self
        expected = self.run(pixels)
        for reshapes in (False, True):
            proto = _with_free_batch(self.proto, self.shape[0], reshapes)
            free = ForeignGraph(proto, self.input_name, (None, *self.shape[1:]))
            if _answers(free, pixels, expected):
                return free
        raise ExportError(f"the batch size is fixed at {self.shape[0]} inside the graph; {_FREE_BATCH}")


def read_graph(path: Path) -> ForeignGraph:
    """Reads a classifier's file.

    Raises:
        ExportError: it is none that can be read and wrapped.
    """
    try:
        proto = onnx.load(path)
        onnx.checker.check_model(proto)
    except (OSError, DecodeError, onnx.checker.ValidationError) as error:
        raise ExportError(f"{path} is not an ONNX model that can be read: {one_line(error)}") from None
    _name_free_axes(proto.graph)
    weights = {tensor.name for tensor in proto.graph.initializer}
    inputs = [value for value in proto.graph.input if value.name not in weights]
    if len(inputs) != 1:
        raise ExportError(f"one input is wanted, the graph has {len(inputs)}")
    _keep_probabilities(proto.graph)
    opset = next((opset.version for opset in proto.opset_import if opset.domain in ("", "ai.onnx")), 0)
    if opset < _OLDEST_OPSET:
        raise ExportError(f"the graph is of opset {opset}; at least {_OLDEST_OPSET} is wanted")
    tensor = inputs[0].type.tensor_type
    shape = tuple(d.dim_value if d.dim_value > 0 else None for d in tensor.shape.dim)
    if tensor.elem_type != TensorProto.FLOAT or len(shape) not in (2, 4):
        raise ExportError(f"a float32 input with four axes, or two, is wanted, {inputs[0].name} is not one")
    return ForeignGraph(proto, inputs[0].name, shape)


def _keep_probabilities(graph: onnx.GraphProto) -> None:
    """Of several outputs the one float tensor of two axes; scikit-learn's pipelines give the label itself beside it."""
    given = list(graph.output)
    if any(value.type.HasField("sequence_type") for value in given):
        raise ExportError("the probabilities are dictionaries; export again with skl2onnx' options zipmap=False")
    tensors = [value for value in given if value.type.tensor_type.elem_type == TensorProto.FLOAT]
    fitting = tensors if len(tensors) == 1 else [v for v in tensors if len(v.type.tensor_type.shape.dim) == 2]
    if len(given) > 1 and len(fitting) != 1:
        raise ExportError(f"one output [N, K] is wanted, the graph has {', '.join(value.name for value in given)}")
    if len(given) > 1:
        del graph.output[:]
        graph.output.extend(fitting)


def _name_free_axes(graph: onnx.GraphProto) -> None:
    """ONNX Runtime takes an axis of 0 at its word, and then the graph contradicts itself."""
    for value in (*graph.input, *graph.output):
        for axis, dimension in enumerate(value.type.tensor_type.shape.dim):
            if not dimension.dim_param and dimension.dim_value <= 0:
                dimension.dim_param = f"{value.name}_{axis}" if axis else "N"


def one_line(error: Exception) -> str:
    """A library's message as one sentence: without the lines that only its makers can read."""
    strerror = error.strerror if isinstance(error, OSError) else None
    message = strerror or str(error).split("==> Context")[0]
    return " ".join(message.split()).rstrip(".")


def _answers(graph: ForeignGraph, pixels: NDArray[np.float32], expected: NDArray[np.float32]) -> bool:
    try:
        alone = np.concatenate([graph.run(pixels[index : index + 1]) for index in range(2)])
        several = graph.run(pixels[:7])
    except ExportError:
        return False
    return bool(np.allclose(alone, expected[:2], atol=1e-4) and np.allclose(several, expected[:7], atol=1e-4))


def _with_free_batch(given: onnx.ModelProto, batch: int, reshapes: bool) -> onnx.ModelProto:
    """Forgets the batch size in the shapes that are told and, if asked, in those that tensors are reshaped to."""
    proto = onnx.ModelProto()
    proto.CopyFrom(given)
    graph = proto.graph
    weights = {tensor.name for tensor in graph.initializer}
    for value in (*graph.input, *graph.output):
        if value.name not in weights and value.type.tensor_type.shape.dim:
            value.type.tensor_type.shape.dim[0].dim_param = "N"
    del graph.value_info[:]
    if reshapes:
        _free_reshapes(graph, batch)
    return proto


def _free_reshapes(graph: onnx.GraphProto, batch: int) -> None:
    """``[batch, …]`` → ``[0, …]``, which keeps the first axis as it comes, or ``[-1, …]`` where the rest is known."""
    targets = {node.input[1] for node in graph.node if node.op_type == "Reshape"}
    constants: Sequence[onnx.TensorProto] = [tensor for tensor in graph.initializer if tensor.name in targets] + [
        attribute.t
        for node in graph.node
        if node.op_type == "Constant" and node.output[0] in targets
        for attribute in node.attribute
        if attribute.name == "value"
    ]
    for tensor in constants:
        sizes = numpy_helper.to_array(tensor).copy()
        if sizes.ndim == 1 and len(sizes) and sizes[0] == batch:
            sizes[0] = 0 if -1 in sizes[1:] else -1
            tensor.CopyFrom(numpy_helper.from_array(sizes, tensor.name))
