"""OnnxModel: one model file, loaded and proven to answer as its metadata says."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.errors import InvalidModelError
from models.images import decode
from models.metadata import GoldenSample
from models.repository import read_metadata
from serving.device import open_session
from serving.settings import Device

_INPUT, _OUTPUT = "image", "probabilities"


class OnnxModel:
    """A session on one model file.

    Attributes:
        metadata: what the file says of itself.
        sha256: digest of the whole file.
        kind: the kind of device that the session really runs on.
        provider: ONNX Runtime's name of it.
    """

    def __init__(self, path: Path, device: Device) -> None:
        """Loads the file.

        Raises:
            InvalidModelError: the file, its metadata, or the graph's input and output are not as models/ demands.
            DeviceError: the device is not in effect.
        """
        data = path.read_bytes()
        self.metadata = read_metadata(data)
        self.sha256 = hashlib.sha256(data).hexdigest()
        self._session, self.kind = open_session(data, device)
        self.provider: str = self._session.get_providers()[0]
        self._check_signature()

    def run(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Answers one batch.

        Args:
            images: N arrays ``uint8[H, W, C]`` of the shape that ``metadata.preprocessing`` gives. Any thread may call.

        Returns:
            ``float32[N, K]``: probabilities, a column for each label.
        """
        probabilities: NDArray[np.float32] = self._session.run([_OUTPUT], {_INPUT: np.stack(images)})[0]
        return probabilities

    def prove(self, batch_sizes: Iterable[int]) -> None:
        """Runs once at each batch size, so that no caller waits for the first, and checks all golden samples.

        Raises:
            InvalidModelError: a golden sample's answer is further off than ``metadata.golden_tolerance`` allows.
        """
        blank = np.zeros(self.metadata.preprocessing.shape, np.uint8)
        for size in batch_sizes:
            self.run([blank] * size)
        for sample in self.metadata.golden_samples:
            self._check(sample)

    def _check(self, sample: GoldenSample) -> None:
        preprocessing, tolerance = self.metadata.preprocessing, self.metadata.golden_tolerance.get(self.kind, 0)
        answer = self.run([preprocessing.apply(decode(sample.image_bytes(), preprocessing.size))])[0]
        difference = float(np.abs(answer - np.array(sample.probabilities)).max())
        if not difference <= tolerance:  # so that NaN is refused too
            raise InvalidModelError(
                f"{self.metadata.name} version {self.metadata.version} is off by {difference:.3g} on a golden sample; "
                f"on {self.kind} at most {tolerance:g} is allowed"
            )

    def _check_signature(self) -> None:
        found = [_signature(value) for value in (*self._session.get_inputs(), *self._session.get_outputs())]
        image = (_INPUT, "tensor(uint8)", self.metadata.preprocessing.shape)
        probabilities = (_OUTPUT, "tensor(float)", (len(self.metadata.labels),))
        if found != [image, probabilities]:
            raise InvalidModelError(
                f"the graph of {self.metadata.name} has {found}, but its metadata calls for {[image, probabilities]}"
            )


def _signature(value: object) -> tuple[str, str, tuple[int, ...]]:
    """(name, type, shape without the free batch axis); an axis that should be free and is not stays in the shape."""
    name, type_, shape = value.name, value.type, value.shape  # type: ignore[attr-defined]
    free_batch = bool(shape) and not isinstance(shape[0], int)
    return name, type_, tuple(shape[1:] if free_batch else shape)
