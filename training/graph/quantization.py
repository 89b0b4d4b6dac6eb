"""Smaller, faster copies of an fp32 graph: int8 for processors, fp16 for GPUs. What they cost is measured elsewhere.

Both change what stands between the first and the last node with weights. Rescaling before it, and bias, softmax and
temperature behind it stay in float32: they cost nothing, and probabilities do not become coarse.
"""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType, quantize_static
from onnxruntime.quantization.onnx_model import ONNXModel
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import convert_float_to_float16

from models.onnx_file import with_properties
from training.graph.bias_correction import correct_biases

Ranges = Literal["minmax", "percentile", "entropy"]
_METHODS = {
    "minmax": CalibrationMethod.MinMax,
    "percentile": CalibrationMethod.Percentile,
    "entropy": CalibrationMethod.Entropy,
}
_WITH_WEIGHTS = ("Conv", "MatMul", "Gemm")
_BATCH_SIZE = 8


def to_int8(data: bytes, pictures: NDArray[np.uint8], ranges: Ranges = "minmax") -> bytes:
    """Quantizes weights and activations statically: quantize/dequantize pairs around each operator, all in the graph.

    Args:
        data: an fp32 ONNX file of ours.
        pictures: ``uint8[M,H,W,C]``, some 200 from the training split, that tell how large activations become.
        ranges: what of the activations a scale covers: all that were seen (``minmax``), all but 0.001 %
            (``percentile``), or what keeps most information (``entropy``).

    Returns:
        An ONNX file without properties.
    """
    with tempfile.TemporaryDirectory() as name, _quiet():
        folder = Path(name)
        model = _prepared(data, folder)
        corrected = correct_biases(model, _quantized(model, pictures, ranges, folder), pictures)
        return with_properties(_quantized(corrected, pictures, ranges, folder).SerializeToString(), {})


def to_fp16(data: bytes) -> bytes:
    """Converts weights and arithmetic to half precision; input and output stay ``uint8`` and ``float32``.

    Args:
        data: an fp32 ONNX file of ours.

    Returns:
        An ONNX file without properties.
    """
    model = _with_named_nodes(onnx.load_from_string(data))
    inside = set(_between_weights(model))
    outside = [node.name for node in model.graph.node if node.name not in inside]
    half = ONNXModel(convert_float_to_float16(model, keep_io_types=True, node_block_list=outside))
    _drop_round_trips(half.model.graph)
    half.topological_sort()
    for index, node in enumerate(half.model.graph.node):
        node.name = f"{index}/{node.name}"  # the converter gives a name twice
    return with_properties(half.model.SerializeToString(), {})


def _drop_round_trips(graph: onnx.GraphProto) -> None:
    """Between two float32 nodes the converter casts to float16 and back, once more for each reader of a value."""
    nodes = {node.output[0]: node for node in graph.node}
    casts = {name: node.input[0] for name, node in nodes.items() if node.op_type == "Cast"}
    for name in casts:
        nodes[name].input[:] = [casts.get(casts[name], casts[name])]
    del graph.node[:]
    graph.node.extend(nodes.values())


def _prepared(data: bytes, folder: Path) -> onnx.ModelProto:
    """Folds constants and infers shapes, which the quantizer wants; nothing that ties the graph to a processor."""
    given, prepared = folder / "given.onnx", folder / "prepared.onnx"
    given.write_bytes(data)
    quant_pre_process(given, prepared, skip_symbolic_shape=True)
    return _with_named_nodes(onnx.load(prepared))


def _quantized(model: onnx.ModelProto, pictures: NDArray[np.uint8], ranges: Ranges, folder: Path) -> onnx.ModelProto:
    """Weights get a scale for each channel and seven of the eight bits (``reduce_range``).

    The sum of two products of eight bits overflows the 16 bits in which x86 processors without VNNI add them, and they
    would answer differently. Not so in depthwise convolutions: ONNX Runtime's kernels (``qdwconv*.cpp``) widen first.
    """
    onnx.save(model, folder / "float.onnx")
    quantize_static(
        folder / "float.onnx",
        folder / "int8.onnx",
        _Pictures(pictures),
        nodes_to_quantize=_between_weights(model),
        nodes_to_exclude=_classifier(model),
        per_channel=True,
        reduce_range=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=_METHODS[ranges],
        calibration_cache_path=folder / "ranges.json",
        extra_options={
            "CalibStridedMinMax": 1,  # one batch at a time: all activations of 200 pictures would be 4 GB
            "CalibTensorRangeSymmetric": False,  # behind ReLU nothing is negative
            "OpTypesToExcludeOutputQuantization": ["MatMul", "Gemm"],  # or logits would become coarse
            "TensorQuantOverrides": {name: [{"axis": 0, "reduce_range": False}] for name in _depthwise_kernels(model)},
        },
    )
    return onnx.load(folder / "int8.onnx")


def _depthwise_kernels(model: onnx.ModelProto) -> Iterator[str]:
    """Yields the kernels [C,1,h,w] of convolutions with as many groups as channels."""
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    for node in model.graph.node:
        groups = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
        if node.op_type == "Conv" and groups > 1 and shapes[node.input[1]][:2] == (groups, 1):
            yield node.input[1]


def _with_named_nodes(model: onnx.ModelProto) -> onnx.ModelProto:
    """The converters pick nodes by name, and a name may be missing."""
    for index, node in enumerate(model.graph.node):
        node.name = node.name or f"node{index}"
    return model


def _between_weights(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes from the first to the last one with weights; nodes stand in the order of computation."""
    places = [index for index, node in enumerate(model.graph.node) if node.op_type in _WITH_WEIGHTS]
    return [node.name for node in model.graph.node[places[0] : places[-1] + 1]] if places else []


def _classifier(model: onnx.ModelProto) -> list[str]:
    """The last node with weights, unless it is the only one: in int8 it takes longer, as the rest is so small."""
    return [node.name for node in model.graph.node if node.op_type in _WITH_WEIGHTS][1:][-1:]


class _Pictures(CalibrationDataReader):  # type: ignore[misc]
    """Batches for ONNX Runtime's quantizer, which asks for them stretch by stretch."""

    def __init__(self, pictures: NDArray[np.uint8]) -> None:
        self._batches = [pictures[start : start + _BATCH_SIZE] for start in range(0, len(pictures), _BATCH_SIZE)]
        self.set_range(0, len(self))

    def __len__(self) -> int:
        return len(self._batches)

    def set_range(self, start_index: int, end_index: int) -> None:
        """Starts at the first of the wanted batches."""
        self._left: Iterator[NDArray[np.uint8]] = iter(self._batches[start_index:end_index])

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """The next batch by the input's name; None after the last."""
        batch = next(self._left, None)
        return None if batch is None else {"image": batch}


@contextmanager
def _quiet() -> Iterator[None]:
    """ONNX Runtime's quantizer prints each step, and logs on the root logger each operator that it leaves alone."""
    before = logging.root.level
    logging.root.setLevel(logging.ERROR)
    try:
        with redirect_stdout(StringIO()):
            yield
    finally:
        logging.root.setLevel(before)
