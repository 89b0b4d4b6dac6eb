"""Classifier: a model behind its batcher; one tensor in, one Prediction out."""

import asyncio
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.metadata import ModelMetadata
from serving.batcher import Batched, Batcher
from serving.onnx_model import OnnxModel


@dataclass(frozen=True)
class Prediction:
    """A model's answer for one image.

    Attributes:
        label: by the model's decision rule.
        probability: calibrated, of ``label``.
        certain: whether ``probability`` reaches the label's threshold.
        probabilities: of every label, in the model's order, to six places.
        attributes: what a client may do with the label, e.g. ``{"rotate_clockwise": 270}``.
    """

    label: str
    probability: float
    certain: bool
    probabilities: dict[str, float]
    attributes: dict[str, str | int | float | bool]

    @classmethod
    def of(cls, metadata: ModelMetadata, probabilities: NDArray[np.float32]) -> Self:
        """Reads one image's ``float32[K]``."""
        index, probability, certain = metadata.decide(probabilities)
        rounded = [round(float(value), 6) for value in probabilities]
        label = metadata.labels[index]
        named = dict(zip(metadata.label_names, rounded, strict=True))
        return cls(label.name, round(probability, 6), certain, named, dict(label.attributes))

    def top(self, count: int) -> Self:
        """Keeps the likeliest labels, likeliest first."""
        likeliest = sorted(self.probabilities.items(), key=lambda item: -item[1])
        return replace(self, probabilities=dict(likeliest[:count]))


class Classifier:
    """Answers single images; they share the model's batches with those of all other callers."""

    def __init__(self, model: OnnxModel, *, workers: int, max_batch: int, max_queue: int) -> None:
        self.model = model
        self.metadata = model.metadata
        self._batcher = Batcher[NDArray[np.uint8], NDArray[np.float32]](
            model.run, max_batch=max_batch, max_queue=max_queue, workers=workers
        )

    async def predict(self, pixels: NDArray[np.uint8]) -> Batched[Prediction]:
        """Answers one image, ``uint8[H, W, C]`` as ``metadata.preprocessing.apply`` returns it.

        Raises:
            QueueFullError: too many images wait for this model.
            NotReadyError: the model is being unloaded.
        """
        batched = await asyncio.wrap_future(self._batcher.submit(pixels))
        return Batched(Prediction.of(self.metadata, batched.result), batched.queue_s, batched.run_s)

    def close(self) -> None:
        """Answers what waits, then ends the workers."""
        self._batcher.close()
