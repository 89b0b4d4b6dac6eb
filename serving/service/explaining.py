"""Explaining: what an answer hangs on, found by asking about the same photo with parts of it hidden."""

import asyncio
from dataclasses import dataclass
from math import prod
from threading import Event

import numpy as np
from numpy.typing import NDArray

from models.errors import DeadlineExceededError, ForbiddenError, RequestError
from models.occlusion import occlusion_map
from serving.engine.budget import Budget
from serving.engine.classifier import Classifier, Prediction, in_use
from serving.engine.decoding import Decoders
from serving.engine.interruption import within
from serving.engine.onnx_model import OnnxModel
from serving.service.admission import Admission, deadline_of, late
from serving.settings import PREFIX, Settings

STEPS = 7
COST = STEPS * STEPS + 1
"""Images that one explanation counts as, since the model is asked so often."""


@dataclass(frozen=True)
class Explanation:
    """Of one answer.

    Attributes:
        prediction: the answer.
        label: the label that is explained.
        fall: ``float32[7,7]``, how much less likely the label is with each patch hidden, by its place from top left.
        pixels: ``uint8[H,W,C]``, the photo as the model saw it.
    """

    prediction: Prediction
    label: str
    fall: NDArray[np.float32]
    pixels: NDArray[np.uint8]


class Explaining:
    """Explains one photo at a time, in a thread of its own, so that answers do not wait for it.

    Those that wait for it hold half of all images at most, which leaves the other half to answers.
    """

    def __init__(self, settings: Settings, admission: Admission, decoders: Decoders) -> None:
        self._settings = settings
        self._admission = admission
        self._decoders = decoders
        self._alone = asyncio.Semaphore(1)
        self._part = Budget(max(COST, settings.max_queued_images // 2), "images of explanations")

    @property
    def are_given(self) -> bool:
        """Whether the settings allow any."""
        return self._settings.explain and self._settings.max_request_images >= COST

    def refuse_if_off(self) -> None:
        """Raises ForbiddenError where the operator wants no explanations, or none could ever be let in."""
        if not self._settings.explain:
            raise ForbiddenError(f"explanations are off; {PREFIX}EXPLAIN=true turns them on")
        if (allowed := self._settings.max_request_images) < COST:
            raise ForbiddenError(
                f"an explanation counts as {COST} images, "
                f"and {PREFIX}MAX_REQUEST_IMAGES={allowed} allows no request so many"
            )

    async def explain(
        self, classifier: Classifier, data: bytes, label: str | None, *, apply_exif: bool, timeout_s: float | None
    ) -> Explanation:
        """Explains what a version answers about a photo.

        Args:
            classifier: the version; in use until this ends.
            data: an encoded photo.
            label: which of its labels; None: the one that it answers.
            apply_exif: as for predictions.
            timeout_s: seconds until the caller wants no answer any more.

        Raises:
            ForbiddenError: explanations are off.
            RequestError: the model has no such label.
            ImageError: the photo cannot be used.
            QueueFullError: there is no room for as many images as this counts.
            DeadlineExceededError: ``timeout_s`` passed.
        """
        self.refuse_if_off()
        names = classifier.metadata.label_names
        if label is not None and label not in names:
            few = ", ".join(names[:20])
            raise RequestError(f"{classifier.metadata.name} has no label {label[:50]!r}; it has: {few}")
        preprocessing, deadline = classifier.metadata.preprocessing, deadline_of(timeout_s)
        with (
            self._part.lease() as take,
            self._admission.admitted(COST, COST * prod(preprocessing.shape), photos=1),
            in_use([classifier]),
        ):
            take(COST)
            try:
                with within(timeout_s):
                    pixels = await self._decoders.prepare(
                        data,
                        [preprocessing],
                        lambda prepared: prepared.pixels[preprocessing],
                        apply_exif=apply_exif,
                        deadline=deadline,
                    )
                    with self._admission.waiting.aside():
                        async with self._alone:
                            return await _look(classifier.model, pixels, label)
            except (TimeoutError, DeadlineExceededError):
                raise late(timeout_s) from None


async def _look(model: OnnxModel, pixels: NDArray[np.uint8], label: str | None) -> Explanation:
    """In a thread, which ends with the batch that it is at when nobody waits for it any more."""
    nobody_waits = Event()
    try:
        return await asyncio.to_thread(_looked, model, pixels, label, nobody_waits)
    finally:
        nobody_waits.set()


def _looked(model: OnnxModel, pixels: NDArray[np.uint8], label: str | None, nobody_waits: Event) -> Explanation:
    """Asks the session itself: what it says of copies with hidden parts is not to be counted."""

    def predict(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        answers = []
        for start in range(0, len(pictures), model.max_batch):
            if nobody_waits.is_set():
                raise DeadlineExceededError("nobody waits for the explanation")
            answers.append(model.run(list(pictures[start : start + model.max_batch])))
        return np.concatenate(answers)

    prediction = Prediction.of(model.metadata, predict(pixels[None])[0])
    explained = label or prediction.label
    fall = occlusion_map(predict, pixels, model.metadata.label_names.index(explained), STEPS)
    return Explanation(prediction, explained, fall, pixels)
