"""The last layer of a model file: what it is given, and another one in its place.

int8 files keep their last layer in float32, so what is learned anew there loses nothing by rounding.
"""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from models.errors import ExportError

Floats = NDArray[np.float32]


def up_to_last_layer(data: bytes) -> bytes:
    """An ONNX file that answers what the last layer of another one is given.

    Args:
        data: the file; its last layer is a Gemm.

    Returns:
        A file: ``image: uint8[N,H,W,C]`` → ``float32[N,F]``.

    Raises:
        ExportError: the file has no such layer.
    """
    model = onnx.load_from_string(data)
    name = _last(model).input[0]
    del model.graph.output[:]
    model.graph.output.append(helper.make_empty_tensor_value_info(name))
    return bytes(model.SerializeToString())


def with_last_layer(data: bytes, kernel: Floats, bias: Floats) -> bytes:
    """Gives an ONNX file another last layer.

    Args:
        data: the file; its properties stay as they are.
        kernel: ``float32[F,K]``.
        bias: ``float32[K]``.

    Returns:
        The file, which answers ``softmax(features @ kernel + bias)``, scaled as before.

    Raises:
        ExportError: the file's last layer is none, or of another shape.
    """
    model = onnx.load_from_string(data)
    for name, wanted in zip(_last(model).input[1:], (kernel, bias), strict=True):
        tensor = next((constant for constant in model.graph.initializer if constant.name == name), None)
        if tensor is None or tuple(tensor.dims) != wanted.shape:
            raise ExportError(f"the last layer has no weights of the shape {wanted.shape} that could be replaced")
        tensor.CopyFrom(numpy_helper.from_array(wanted.astype(np.float32), name))
    return bytes(model.SerializeToString())


def _last(model: onnx.ModelProto) -> onnx.NodeProto:
    """The last layer: ``features @ kernel + bias``."""
    dense: list[onnx.NodeProto] = [node for node in model.graph.node if node.op_type == "Gemm" and len(node.input) == 3]
    turned = [attribute.name for attribute in dense[-1].attribute if attribute.i] if dense else []
    if not dense or {"transA", "transB"} & set(turned):
        raise ExportError("the model has no last layer that could be learned anew")
    return dense[-1]
