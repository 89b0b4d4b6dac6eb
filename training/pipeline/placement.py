"""Which devices learn, and what they learned: the same, or the training is none."""

import hashlib
from pathlib import Path

import keras
import numpy as np

from training.fitting.fit import Logs
from training.reporting.terminal import say


class Placement(keras.callbacks.Callback):  # type: ignore[misc]
    """Says where the network lies as training begins, and keeps a digest of its weights after each epoch."""

    def __init__(self, worker: str, devices: list[str], told: Path) -> None:
        """Takes what it says of the worker, and the file that gets the digest."""
        super().__init__()
        self._worker, self._devices, self._told = worker, devices, told

    def on_train_begin(self, logs: Logs = None) -> None:
        """Says it."""
        places = sorted(map(str, self.model.weights[0].value.devices()))
        say(f"{self._worker} learns on {', '.join(self._devices)}; the weights lie on {', '.join(places)}")

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Digests the weights."""
        digest = hashlib.sha256()
        for array in self.model.get_weights():
            digest.update(np.ascontiguousarray(array).tobytes())
        self._told.write_text(digest.hexdigest())

    def on_train_end(self, logs: Logs = None) -> None:
        """Says the last one."""
        say(f"{self._worker} has weights {self._told.read_text()}")
