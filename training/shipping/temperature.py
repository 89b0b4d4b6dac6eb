"""Temperature scaling (Guo et al. 2017, "On Calibration of Modern Neural Networks"), baked into the graph that ships.

Each probability p lies z = log(p_max / p) under the likeliest label's. z becomes z / T + c z², and probabilities the
softmax of what is left. That keeps their order, so no answer of the likeliest label changes. With c = 0 it is plain
temperature scaling. Networks that learned from smoothed labels need the second term: they were taught never to be sure,
so that their surest answers are bunched below 1, and a T that spreads those makes all others too sure. (Temperatures
that depend on the answer: Tomani et al. 2022, "Parameterized Temperature Scaling".) It needs no logits: log p differs
from them by a constant, and for a sigmoid's pair [1 - p, p] by one for each picture.
"""

from typing import NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from training.graph.inference import OnnxClassifier
from training.graph.parity import check_parity
from training.measuring.evaluation import Answers

_BOUNDS = ((np.log(0.1), np.log(10.0)), (0.0, 1.0))  # of log T and c; a negative c could change the order
_USUAL_CURVATURE = 0.1
_FLOOR = np.float32(1e-7)  # float32 knows 1 - p no better; the logarithm of 0 would be infinite
_PREFIX = "temperature/"
_INVERSE, _CURVATURE, _FLOOR_NAME, _RAW = (_PREFIX + name for name in ("inverse", "curvature", "floor", "raw"))


class Scaling(NamedTuple):
    """What is done to z: z / temperature + curvature * z²."""

    temperature: float = 1.0
    curvature: float = 0.0

    def __str__(self) -> str:
        return f"{self.temperature:.3f}, with curvature {self.curvature:.3f}"


UNSCALED = Scaling()


def fit_scaling(answers: Answers) -> Scaling:
    """Finds the scaling that minimises the negative log-likelihood of the true labels.

    Each group of answers that depend on each other counts once. Priors, log-normal around a temperature of 1 and normal
    around a curvature of 0, worth about one group, keep a handful of photos that were all answered rightly from making
    the model sure of everything.

    Args:
        answers: on the calibration split, as the network gives them, unscaled.
    """
    below = _below_the_likeliest(answers.probabilities)
    weights = 1 / np.bincount(answers.group_numbers)[answers.group_numbers]
    rows = np.arange(len(below))

    def loss(parameters: NDArray[np.float64]) -> float:
        log_temperature, curvature = parameters
        z = below * np.exp(-log_temperature) + curvature * below**2
        likelihood = log_softmax(-z, axis=1)[rows, answers.labels]
        prior = log_temperature**2 / 2 + (curvature / _USUAL_CURVATURE) ** 2 / 2
        return float(prior - weights @ likelihood)

    found = minimize(loss, (0.0, 0.01), method="L-BFGS-B", bounds=_BOUNDS)
    return Scaling(float(np.exp(found.x[0])), float(found.x[1]))


def scaled(probabilities: NDArray[np.float32], scaling: Scaling) -> NDArray[np.float32]:
    """What the scaling makes of ``float32[N,K]``."""
    below = _below_the_likeliest(probabilities)
    z = below / scaling.temperature + scaling.curvature * below**2
    shares: NDArray[np.float32] = softmax(-z, axis=1).astype(np.float32)
    return shares


def with_scaling(data: bytes, scaling: Scaling, pictures: NDArray[np.uint8]) -> bytes:
    """Appends the scaling to an ONNX file, of whatever precision or origin, in place of the one that it may have.

    Args:
        data: the file; its properties stay as they are.
        scaling: ``UNSCALED`` lets the network's own answers through.
        pictures: ``uint8[M,H,W,C]``, on which the new graph is compared with NumPy's own computation.

    Returns:
        The new file.

    Raises:
        ExportError: the two differ.
    """
    model = onnx.load_from_string(data)
    if not any(tensor.name == _INVERSE for tensor in model.graph.initializer):
        _append(model)
    raw = _set(model, UNSCALED)
    baked = _set(model, scaling)
    check_parity(scaled(OnnxClassifier(raw).predict(pictures), scaling), baked, pictures)
    return baked


def _below_the_likeliest(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """How far each label lies under the likeliest: ``float64[N,K]``, the z of the module's docstring."""
    logs = np.log(np.maximum(probabilities, _FLOOR).astype(np.float64))
    below: NDArray[np.float64] = logs.max(axis=1, keepdims=True) - logs
    return below


def _set(model: onnx.ModelProto, scaling: Scaling) -> bytes:
    for tensor in model.graph.initializer:
        if tensor.name == _INVERSE:
            tensor.CopyFrom(numpy_helper.from_array(np.array(1 / scaling.temperature, np.float32), _INVERSE))
        elif tensor.name == _CURVATURE:
            tensor.CopyFrom(numpy_helper.from_array(np.array(scaling.curvature, np.float32), _CURVATURE))
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _append(model: onnx.ModelProto) -> None:
    """The output keeps its name, what gave it until now gets another."""
    graph, output = model.graph, model.graph.output[0].name
    for node in graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                names[index] = _RAW if name == output else name
    for name, value in ((_FLOOR_NAME, _FLOOR), (_INVERSE, np.float32(1)), (_CURVATURE, np.float32(0))):
        graph.initializer.append(numpy_helper.from_array(np.array(value), name))
    positive, logs, top, below, steepness, factor, z, negative = (
        _PREFIX + name for name in ("positive", "log", "top", "below", "steepness", "factor", "z", "negative")
    )
    graph.node.extend(
        [
            _at_least(model, _FLOOR_NAME, positive),
            helper.make_node("Log", [positive], [logs]),
            _largest(model, logs, top),
            helper.make_node("Sub", [top, logs], [below]),
            helper.make_node("Mul", [below, _CURVATURE], [steepness]),
            helper.make_node("Add", [steepness, _INVERSE], [factor]),
            helper.make_node("Mul", [below, factor], [z]),
            helper.make_node("Neg", [z], [negative]),
            helper.make_node("Softmax", [negative], [output], axis=1),
        ]
    )


def _at_least(model: onnx.ModelProto, floor: str, output: str) -> onnx.NodeProto:
    """The raw probabilities, none below the floor; until opset 8, Max took tensors of one shape alone."""
    if _opset(model) < 8:
        return helper.make_node("Clip", [_RAW], [output], min=float(_FLOOR))
    return helper.make_node("Max", [_RAW, floor], [output])


def _largest(model: onnx.ModelProto, tensor: str, output: str) -> onnx.NodeProto:
    """Of each row; from opset 18 on the axes are an input."""
    if _opset(model) < 18:
        return helper.make_node("ReduceMax", [tensor], [output], axes=[1], keepdims=1)
    axes = _PREFIX + "axes"
    model.graph.initializer.append(numpy_helper.from_array(np.array([1]), axes))
    return helper.make_node("ReduceMax", [tensor, axes], [output], keepdims=1)


def _opset(model: onnx.ModelProto) -> int:
    return int(next(imported.version for imported in model.opset_import if imported.domain in ("", "ai.onnx")))
