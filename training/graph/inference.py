"""Runs an ONNX file offline on many pictures."""

import os

import numpy as np
import onnxruntime
from numpy.typing import NDArray


class OnnxClassifier:
    """An ONNX classifier on the CPU: ``image: uint8[N,H,W,C]`` → ``probabilities: float32[N,K]``."""

    def __init__(self, data: bytes, input_name: str = "image") -> None:
        self._input_name = input_name
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what goes wrong is raised; it need not be printed too
        options.intra_op_num_threads = os.cpu_count() or 1
        self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])

    def predict(self, pictures: NDArray[np.generic], batch_size: int = 64) -> NDArray[np.float32]:
        """Returns ``float32[N,K]`` for ``uint8[N,H,W,C]``."""
        starts = range(0, len(pictures), batch_size)
        outputs = [self._session.run(None, {self._input_name: pictures[i : i + batch_size]})[0] for i in starts]
        return np.concatenate(outputs)
