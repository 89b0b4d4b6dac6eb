"""Takes the mean error of rounded weights back, in the biases (Nagel et al. 2019, "Data-Free Quantization …", 4.2).

Rounding the weights of an output channel moves the mean of its answers. That is what hurts networks of depthwise
convolutions most, and the shift is known: (weights - rounded weights) times the mean input.
"""

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper, numpy_helper

_BATCH_SIZE = 8
_MEAN = "/mean_input"


def correct_biases(model: onnx.ModelProto, quantized: onnx.ModelProto, pictures: NDArray[np.uint8]) -> onnx.ModelProto:
    """Returns a copy of an fp32 graph whose biases make up for the rounding of its convolutions' weights.

    Args:
        model: the fp32 graph, convolutions NCHW, as tf2onnx writes them; without a bias, they get one.
        quantized: what ONNX Runtime's quantizer made of it, with weights of eight bits or fewer by channel.
        pictures: ``uint8[M,H,W,C]``.
    """
    weights, rounded = _constants(model), _constants(quantized)
    corrected = _copy(model)
    rounded_kernels = [node for node in corrected.graph.node if node.op_type == "Conv" and _quantized(node) in rounded]
    means = _mean_inputs(model, [node.input[0] for node in rounded_kernels], pictures)
    for node, mean in zip(rounded_kernels, means, strict=True):
        kernel = node.input[1]
        error = weights[kernel] - _dequantized(kernel, rounded)
        before = weights[node.input[2]] if len(node.input) == 3 else np.float32(0)
        bias = numpy_helper.from_array(before + _shift(error, mean), f"{kernel}/corrected_bias")
        corrected.graph.initializer.append(bias)
        node.input[2:] = [bias.name]
    return corrected


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def _constants(model: onnx.ModelProto) -> dict[str, NDArray[np.float32]]:
    """The graph's weights; those that are asked for are float32, or integers that fit into it."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def _quantized(node: onnx.NodeProto) -> str:
    """The name that ONNX Runtime's quantizer gives a convolution's rounded kernel."""
    return f"{node.input[1]}_quantized"


def _mean_inputs(model: onnx.ModelProto, tensors: list[str], pictures: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """Each NCHW tensor's mean ``float32[C]`` over pictures and places."""
    watched = _copy(model)
    for tensor in set(tensors):
        watched.graph.node.append(helper.make_node("GlobalAveragePool", [tensor], [tensor + _MEAN]))
        watched.graph.output.append(helper.make_empty_tensor_value_info(tensor + _MEAN))
    session = onnxruntime.InferenceSession(watched.SerializeToString(), providers=["CPUExecutionProvider"])
    names = ["probabilities", *(tensor + _MEAN for tensor in tensors)]
    starts = range(0, len(pictures), _BATCH_SIZE)
    batches = [session.run(names, {"image": pictures[start : start + _BATCH_SIZE]})[1:] for start in starts]
    return [np.concatenate(of_batches).mean(axis=(0, 2, 3)) for of_batches in zip(*batches, strict=True)]


def _dequantized(kernel: str, rounded: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    scale = rounded[f"{kernel}_scale"].astype(np.float32)
    return rounded[f"{kernel}_quantized"].astype(np.float32) * scale.reshape(-1, 1, 1, 1)


def _shift(error: NDArray[np.float32], mean: NDArray[np.float32]) -> NDArray[np.float32]:
    """What an error ``[O,I,h,w]`` of the weights makes of a mean input ``[groups * I]``: ``float32[O]``."""
    outputs, inputs = error.shape[:2]
    groups = len(mean) // inputs
    by_group = error.sum(axis=(2, 3)).reshape(groups, outputs // groups, inputs)
    shift: NDArray[np.float32] = np.einsum("goi,gi->go", by_group, mean.reshape(groups, inputs)).reshape(-1)
    return shift
