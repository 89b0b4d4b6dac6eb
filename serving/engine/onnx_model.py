"""OnnxModel: one model file, loaded and proven to answer as its metadata says."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.errors import InvalidModelError
from models.images import decode
from models.metadata import GoldenSample
from models.repository import read_metadata
from serving.engine.batch_sizes import fixed_sizes, stack
from serving.engine.device import Accelerator, Batches, open_session
from serving.engine.runtime import onnxruntime
from serving.engine.signatures import Signatures
from serving.settings import Device

_INPUT, _OUTPUT = "image", "probabilities"
_CPU_BATCH, _GPU_BATCH = 8, 32


class OnnxModel:
    """A session on one model file.

    Attributes:
        metadata: what the file says of itself.
        sha256: digest of the whole file.
        kind: the kind of device that the session really runs on.
        provider: ONNX Runtime's name of it.
        max_batch: the most images of one call.
        fixed_sizes: on a GPU, those that a call's batch may have; none on the CPU, which does not mind.
    """

    def __init__(
        self,
        path: Path,
        device: Device,
        max_batch: int | None = None,
        signatures: Signatures | None = None,
        accelerator: Accelerator = Accelerator(),  # noqa: B008 - frozen
    ) -> None:
        """Loads the file.

        Args:
            path: of the ONNX file.
            device: where it shall run.
            max_batch: the most images of one call; None: what suits the device.
            signatures: checks the file before anything reads it; None: it need not be signed.
            accelerator: what the operator decides of a GPU.

        Raises:
            InvalidModelError: the file, its signature or metadata, or the graph's input and output are not as models/
                demands.
            DeviceError: the device is not in effect.
        """
        data = path.read_bytes()
        if signatures is not None:
            signatures.check(path, data)
        self.metadata = read_metadata(data, path)
        self.sha256 = hashlib.sha256(data).hexdigest()
        batches = Batches(self.metadata.preprocessing.shape, max_batch or _GPU_BATCH)
        try:
            self._session, self.kind = open_session(data, device, batches, accelerator)
        except InvalidModelError as error:
            raise InvalidModelError(f"{self._named}: {error}") from error
        self.provider: str = self._session.get_providers()[0]
        self.max_batch = max_batch or (_CPU_BATCH if self.kind == "cpu" else _GPU_BATCH)
        self.fixed_sizes = () if self.kind == "cpu" else fixed_sizes(self.max_batch)
        self._check_signature()

    def run(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Answers one batch.

        Args:
            images: N arrays ``uint8[H, W, C]`` of the shape that ``metadata.preprocessing`` gives, at most
                ``max_batch``. Any thread may call.

        Returns:
            ``float32[N, K]``: probabilities, a column for each label.
        """
        batch = stack(images, self.fixed_sizes)
        probabilities: NDArray[np.float32] = self._session.run([_OUTPUT], {_INPUT: batch})[0]
        return probabilities[: len(images)]

    def give_back(self) -> None:
        """Runs once more: at the end of such a run ONNX Runtime returns memory that no session works in any more."""
        if self.kind == "cpu":
            options = onnxruntime.RunOptions()
            options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
            blank = np.zeros((1, *self.metadata.preprocessing.shape), np.uint8)
            self._session.run([_OUTPUT], {_INPUT: blank}, options)

    def prove(self) -> None:
        """Checks all golden samples, and runs once at each batch size, so that no caller waits for the first.

        The CPU does not mind the size, and its arena would keep what a large batch takes, so there 1 and 2 are enough.

        Raises:
            InvalidModelError: the model fails, or a golden sample's answer is further off than
                ``metadata.golden_tolerance`` allows.
        """
        preprocessing, samples = self.metadata.preprocessing, self.metadata.golden_samples
        try:
            images = [preprocessing.apply(decode(sample.image_bytes(), preprocessing.size)) for sample in samples]
            for sample, image in zip(samples, images, strict=True):
                self._check(sample, self.run([image])[0])
            self._warm(images)
        except InvalidModelError:
            raise
        except Exception as error:  # ONNX Runtime's exceptions have no base of their own
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise InvalidModelError(f"{self._named} fails where it is tried: {reason}") from error

    def _warm(self, images: Sequence[NDArray[np.uint8]]) -> None:
        """A cascade knows nothing of what is blank, and so takes all of its steps, which on a CPU are dear.

        There the golden samples have warmed each step already.
        """
        blank = np.zeros(self.metadata.preprocessing.shape, np.uint8)
        if self.fixed_sizes:
            image, sizes = blank, self.fixed_sizes
        else:
            image, sizes = next(iter(images), blank), tuple(sorted({1, min(2, self.max_batch)}))
        for size in sizes:
            self.run([image] * size)

    @property
    def _named(self) -> str:
        return f"{self.metadata.name} version {self.metadata.version}"

    def _check(self, sample: GoldenSample, answer: NDArray[np.float32]) -> None:
        tolerance = self.metadata.golden_tolerance.get(self.kind, 0)
        difference = float(np.abs(answer - np.array(sample.probabilities)).max())
        if not difference <= tolerance:  # so that NaN is refused too
            raise InvalidModelError(
                f"{self._named} is off by {difference:.3g} on a golden sample; "
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
