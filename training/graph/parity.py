"""Whether an ONNX file answers as whatever it was made from does."""

import numpy as np
from numpy.typing import NDArray

from models.errors import ExportError
from training.graph.inference import OnnxClassifier

MAX_DIFFERENCE = 1e-4
_BATCHES = (1, 7)  # one alone, and a size that nothing was traced with


def check_parity(expected: NDArray[np.float32], data: bytes, pictures: NDArray[np.uint8]) -> float:
    """Compares an ONNX file's answers, at batch 1 and 7, with those expected.

    Returns:
        The largest absolute difference of a probability.

    Raises:
        ExportError: it is above ``MAX_DIFFERENCE``.
    """
    classifier = OnnxClassifier(data)
    difference = max(float(np.abs(classifier.predict(pictures, batch) - expected).max()) for batch in _BATCHES)
    if not difference <= MAX_DIFFERENCE:  # so that NaN fails too
        raise ExportError(
            f"the ONNX file and its original differ by {difference:.2g}; at most {MAX_DIFFERENCE:g} is allowed"
        )
    return difference
