"""Feedback: a photo and what is right of it → asked about again, and kept as the operator wants it."""

import asyncio
from dataclasses import dataclass
from hashlib import sha256

from models.errors import ImageError, RequestError
from serving.engine.classifier import Classifier
from serving.service import PredictionService
from serving.service.corrections import Correction, Corrections
from serving.upright.straightening import ROTATE, Straightener
from serving.versions.served_model import Route


@dataclass(frozen=True)
class Kept:
    """What became of it.

    Attributes:
        correction: what was written down.
        photo: whether the photo was kept too.
    """

    correction: Correction
    photo: bool


class Feedback:
    """The way of corrections into their folder."""

    def __init__(self, service: PredictionService, straightener: Straightener, corrections: Corrections) -> None:
        self.corrections = corrections
        self._service = service
        self._straightener = straightener

    async def take(self, classifier: Classifier, data: bytes, right: str, *, timeout_s: float | None = None) -> Kept:
        """Asks about the photo again, so that nobody can say what was not answered, and keeps the correction.

        Args:
            classifier: whose answer is corrected.
            data: an encoded photo.
            right: the label that it should have.
            timeout_s: as for ``PredictionService.predict``.

        Raises:
            RequestError: the model has no such label.
            ImageError: the photo cannot be used.
            StorageFullError: the folder is full.
            LoupeError: as ``PredictionService.predict``.
        """
        self.corrections.refuse_if_off()
        metadata = classifier.metadata
        if right not in metadata.label_names:
            few = ", ".join(metadata.label_names[:20])
            raise RequestError(f"{metadata.name} has no label {right[:50]!r}; it has: {few}")
        answers = await self._service.predict([Route(classifier)], [data], timeout_s=timeout_s)
        [answer] = answers.images
        if isinstance(answer, ImageError):
            raise answer
        said = Correction(metadata.name, str(metadata.version), answer[metadata.name], right)
        photo = await self._for_training(classifier, data, right, timeout_s) if self.corrections.with_photos else None
        return Kept(said, await asyncio.to_thread(self._keep, said, data, photo))

    def _keep(self, said: Correction, data: bytes, photo: bytes | None) -> bool:
        """In a thread: of 32 MiB the digest alone takes 27 ms."""
        return self.corrections.keep(said, sha256(data).hexdigest(), photo)

    async def _for_training(
        self, classifier: Classifier, data: bytes, right: str, timeout_s: float | None
    ) -> bytes | None:
        """Where labels say how to turn a picture, it is learned from upright."""
        [degrees] = [label.attributes.get(ROTATE, 0) for label in classifier.metadata.labels if label.name == right]
        if degrees not in (90, 180, 270):
            return data
        try:
            return await self._straightener.turned(data, int(degrees), timeout_s=timeout_s)
        except ImageError:
            return None  # of a kind that is not turned
