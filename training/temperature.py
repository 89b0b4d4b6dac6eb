"""Temperature scaling (Guo et al. 2017, "On Calibration of Modern Neural Networks"), baked into the graph that ships.

Probabilities p become softmax(log p / T). That keeps their order, so no answer of the likeliest label changes. It needs
no logits: log p differs from them by a constant, and for a sigmoid's pair [1 - p, p] by one for each picture.
"""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from training.evaluation import Answers
from training.export import check_parity
from training.inference import OnnxClassifier

_BOUNDS = (0.1, 10.0)
_FLOOR = np.float32(1e-7)  # float32 knows 1 - p no better; the logarithm of 0 would be infinite
_PREFIX = "temperature/"
_INVERSE, _FLOOR_NAME, _RAW = _PREFIX + "inverse", _PREFIX + "floor", _PREFIX + "raw"


def fit_temperature(answers: Answers) -> float:
    """Finds the T that minimises the negative log-likelihood of the true labels.

    Each group of answers that depend on each other counts once. A log-normal prior around 1, worth about one group,
    keeps a handful of photos that were all answered rightly from making the model sure of everything.

    Args:
        answers: on the calibration split, as the network gives them.
    """
    logits = _logits(answers.probabilities)
    weights = 1 / np.bincount(answers.group_numbers)[answers.group_numbers]
    rows = np.arange(len(logits))

    def loss(log_temperature: float) -> float:
        likelihood = log_softmax(logits * np.exp(-log_temperature), axis=1)[rows, answers.labels]
        return float(log_temperature**2 / 2 - weights @ likelihood)

    found = minimize_scalar(loss, bounds=tuple(np.log(_BOUNDS)), method="bounded")
    return float(np.exp(found.x))


def tempered(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """softmax(log p / T) of ``float32[N,K]``."""
    shares: NDArray[np.float32] = softmax(_logits(probabilities) / temperature, axis=1).astype(np.float32)
    return shares


def bake_temperature(data: bytes, temperature: float, pictures: NDArray[np.uint8]) -> bytes:
    """Appends the scaling to an ONNX file, of whatever precision or origin; a scaling that it has is multiplied.

    Args:
        data: the file; its properties stay as they are.
        temperature: above zero.
        pictures: ``uint8[M,H,W,C]``, on which the new graph is compared with NumPy's own computation.

    Returns:
        The new file.

    Raises:
        ExportError: the two differ.
    """
    model = onnx.load_from_string(data)
    scaled = next((tensor for tensor in model.graph.initializer if tensor.name == _INVERSE), None)
    if scaled is None:
        _append(model.graph, temperature)
    else:
        inverse = numpy_helper.to_array(scaled) / np.float32(temperature)
        scaled.CopyFrom(numpy_helper.from_array(inverse, _INVERSE))
    onnx.checker.check_model(model)
    baked: bytes = model.SerializeToString()
    check_parity(tempered(OnnxClassifier(data).predict(pictures), temperature), baked, pictures)
    return baked


def _logits(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    logits: NDArray[np.float64] = np.log(np.maximum(probabilities, _FLOOR).astype(np.float64))
    return logits


def _append(graph: onnx.GraphProto, temperature: float) -> None:
    """These nodes exist since opset 8; the output keeps its name, what gave it until now gets another."""
    output = graph.output[0].name
    for node in graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                names[index] = _RAW if name == output else name
    graph.initializer.append(numpy_helper.from_array(np.array(_FLOOR), _FLOOR_NAME))
    graph.initializer.append(numpy_helper.from_array(np.array(1 / temperature, np.float32), _INVERSE))
    graph.node.extend(
        [
            helper.make_node("Max", [_RAW, _FLOOR_NAME], [_PREFIX + "positive"]),
            helper.make_node("Log", [_PREFIX + "positive"], [_PREFIX + "log"]),
            helper.make_node("Mul", [_PREFIX + "log", _INVERSE], [_PREFIX + "scaled"]),
            helper.make_node("Softmax", [_PREFIX + "scaled"], [output], axis=1),
        ]
    )
