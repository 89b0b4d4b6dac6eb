"""Classifier: a model behind its batcher; one tensor in, one Prediction out."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from math import inf, prod
from threading import Thread
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.metadata import ModelMetadata
from serving.engine.batcher import Batched, Batcher
from serving.engine.observer import UNOBSERVED, Observer
from serving.engine.onnx_model import OnnxModel


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
        rounded = [round(value, 6) for value in probabilities.tolist()]
        label = metadata.labels[index]
        named = dict(zip(metadata.label_names, rounded, strict=True))
        return cls(label.name, round(probability, 6), certain, named, dict(label.attributes))

    def top(self, count: int) -> Self:
        """Keeps the likeliest labels, likeliest first."""
        likeliest = sorted(self.probabilities.items(), key=lambda item: -item[1])
        return replace(self, probabilities=dict(likeliest[:count]))


Promised = Future[Batched[Prediction]] | Batched[Prediction]
"""What a classifier was asked: its answer, or one that is still to come."""


class Classifier:
    """Answers single images; they share the model's batches with those of all other callers.

    Attributes:
        model: the file.
        metadata: what it says of itself.
        name: of the model.
        version: its number, as callers write it.
        pixel_bytes: that one image has where it waits.
    """

    def __init__(self, model: OnnxModel, *, workers: int, max_queue: int, observer: Observer = UNOBSERVED) -> None:
        self.model = model
        self.metadata = model.metadata
        self._batcher = Batcher[NDArray[np.uint8], Prediction](
            partial(_run, model, observer), max_batch=model.max_batch, max_queue=max_queue, workers=workers
        )
        self.name, self.version = self.metadata.name, str(self.metadata.version)
        self.pixel_bytes = prod(self.metadata.preprocessing.shape)
        self._users, self._retiring = 0, False
        self._idle = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Images that wait for a worker."""
        return self._batcher.waiting

    @property
    def running_s(self) -> float:
        """Seconds that the longest of the batches that run now has taken so far."""
        return self._batcher.running_s

    def count_users(self, more: int) -> None:
        """One request more, or one less, is under way; see ``in_use``."""
        self._users += more
        if self._retiring and not self._users:
            self._idle.set()

    def submit(self, pixels: NDArray[np.uint8], deadline: float = inf) -> "Future[Batched[Prediction]]":
        """Queues one image, ``uint8[H, W, C]`` as ``metadata.preprocessing.apply`` returns it.

        Returns:
            The answer, or DeadlineExceededError: no worker was free before ``perf_counter()`` reached the deadline.

        Raises:
            QueueFullError: too many images wait for this model.
            NotReadyError: the model is being unloaded.
        """
        return self._batcher.submit(pixels, deadline)

    def answer(self, pixels: NDArray[np.uint8], deadline: float = inf) -> Promised:
        """As ``submit``, for the thread that made the pixels: on the CPU it runs the session itself, and answers.

        There one image costs no more alone than in a batch, and its pixels are still in the core's cache.
        """
        ask = self._batcher.answer_here if self.model.kind == "cpu" else self._batcher.submit
        return ask(pixels, deadline)

    async def retire(self) -> None:
        """Waits for the requests that use it, then closes it."""
        self._retiring = True
        while self._users:
            self._idle.clear()
            await self._idle.wait()
        closing = Thread(target=self._end)  # one of a pool would hold the model a little longer
        closing.start()
        await asyncio.to_thread(closing.join)

    def close(self) -> None:
        """Answers what waits, then ends the workers."""
        self._batcher.close()

    def _end(self) -> None:
        self.close()
        self.model.give_back()


class in_use:  # noqa: N801 - read as `with in_use(classifiers)`
    """Keeps classifiers from being given up while a request is under way; for the event loop's thread."""

    def __init__(self, classifiers: Sequence[Classifier]) -> None:
        self._classifiers = classifiers

    def __enter__(self) -> None:
        """From now on."""
        for classifier in self._classifiers:
            classifier.count_users(1)

    def __exit__(self, *_: object) -> None:
        """No longer."""
        for classifier in self._classifiers:
            classifier.count_users(-1)


def _run(model: OnnxModel, observer: Observer, images: Sequence[NDArray[np.uint8]]) -> list[Prediction]:
    """No method: a classifier that its own workers refer to would wait for the garbage collector to be freed."""
    observer.batch_ran(model.metadata.name, str(model.metadata.version), len(images))
    probabilities = model.run(images)
    observer.saw(model.metadata, images, probabilities)
    return [Prediction.of(model.metadata, one) for one in probabilities]
