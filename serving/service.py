"""PredictionService: the loaded classifiers. Every protocol and the command line enter here."""

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from models.errors import (
    DeadlineExceededError,
    ImageError,
    InvalidModelError,
    ModelNotFoundError,
    NotReadyError,
    RequestTooLargeError,
)
from models.images import Size, decode
from models.repository import ModelRepository
from serving.budget import Budget
from serving.classifier import Classifier, Prediction
from serving.onnx_model import OnnxModel
from serving.settings import Settings

_CPU_BATCH, _GPU_BATCH = 8, 32


class Timing(NamedTuple):
    """Seconds of each step; of several images or models, the longest."""

    decode: float = 0.0
    preprocess: float = 0.0
    queue: float = 0.0
    inference: float = 0.0


Answer = dict[str, Prediction] | ImageError
"""What one image got: a prediction of each model by its name, or why the image cannot be used."""


@dataclass(frozen=True)
class Answers:
    """One answer for each image, in order."""

    images: list[Answer]
    timing: Timing


class _Prepared(NamedTuple):
    pixels: list[NDArray[np.uint8]]
    started: float
    decoded: float
    finished: float


class PredictionService:
    """All classifiers of a repository, each loaded, warm and right on its golden samples.

    Attributes:
        settings: what it was loaded with.
        classifiers: the latest version of each model, by name.
        bodies: bytes of request bodies, for whoever reads them.
        images: images that are being answered.
    """

    def __init__(self, settings: Settings, loaded: Sequence[OnnxModel]) -> None:
        self.settings = settings
        self.bodies = Budget(settings.max_held_bytes, "bytes")
        self.images = Budget(settings.max_queued_images, "images")
        self.classifiers = {model.metadata.name: _classifier(model, settings) for model in loaded}
        self._decoders = ThreadPoolExecutor(_threads(settings), thread_name_prefix="decode")
        self.ready = True

    @classmethod
    def load(cls, settings: Settings) -> Self:
        """Loads and proves the latest version of every model; one that fails keeps the service from starting.

        Raises:
            ModelNotFoundError: the repository is empty.
            InvalidModelError: a model is broken, or wrong on a golden sample.
            DeviceError: the device that was asked for is not in effect.
        """
        repository = ModelRepository(settings.models)
        names = list(repository.list())
        if not names:
            raise ModelNotFoundError(
                f"there are no models in {settings.models}; LOUPE_MODELS or --models names the folder"
            )
        return cls(settings, [_load(repository, name, settings) for name in names])

    @property
    def default_names(self) -> list[str]:
        """The models that are asked where the caller names none."""
        return [name for name, classifier in self.classifiers.items() if classifier.metadata.default]

    def classifier(self, name: str, version: str | None = None) -> Classifier:
        """The loaded classifier of this name, and of this version if one is given.

        Raises:
            ModelNotFoundError: it is not loaded.
        """
        if name not in self.classifiers:
            raise ModelNotFoundError(f"there is no model {name!r}; there are: {', '.join(self.classifiers)}")
        classifier = self.classifiers[name]
        if version not in (None, str(classifier.metadata.version)):
            loaded = classifier.metadata.version
            raise ModelNotFoundError(f"version {version!r} of model {name!r} is not loaded; version '{loaded}' is")
        return classifier

    async def predict(
        self, names: Sequence[str], images: Sequence[bytes], *, apply_exif: bool = True, timeout_s: float | None = None
    ) -> Answers:
        """Asks one or several models about each image; an image is decoded once for all of them.

        Args:
            names: the models.
            images: encoded photos.
            apply_exif: whether the EXIF orientation is applied before a model sees the picture.
            timeout_s: seconds until the caller wants no answer any more; None waits for ever.

        Raises:
            ModelNotFoundError: a model is not loaded.
            RequestTooLargeError: more images than one request may hold.
            QueueFullError: more images than there is room for; not one has been decoded.
            DeadlineExceededError: ``timeout_s`` passed; what had not begun is skipped.
            NotReadyError: the service is closed.
        """
        classifiers = {name: self.classifier(name) for name in names}
        if not self.ready:
            raise NotReadyError("the service is shutting down")
        if len(images) > self.settings.max_request_images:
            allowed = self.settings.max_request_images
            raise RequestTooLargeError(f"the request has {len(images)} images; at most {allowed} are allowed")
        with self.images.lease() as take:
            take(len(images))
            try:
                async with asyncio.timeout(timeout_s):
                    answered = await asyncio.gather(*(self._answer(classifiers, data, apply_exif) for data in images))
            except TimeoutError:
                raise DeadlineExceededError(f"there was no answer within {timeout_s:g} s") from None
        return Answers([answer for answer, _ in answered], _longest([timing for _, timing in answered]))

    def close(self) -> None:
        """Refuses new images, answers those inside, and ends all threads."""
        self.ready = False
        self._decoders.shutdown()
        for classifier in self.classifiers.values():
            classifier.close()

    async def _answer(self, classifiers: dict[str, Classifier], data: bytes, apply_exif: bool) -> tuple[Answer, Timing]:
        called, loop = perf_counter(), asyncio.get_running_loop()
        try:
            prepared = await loop.run_in_executor(
                self._decoders, self._prepare, list(classifiers.values()), data, apply_exif
            )
        except ImageError as error:
            return error, Timing()
        asked = zip(classifiers.values(), prepared.pixels, strict=True)
        batched = await asyncio.gather(*(classifier.predict(pixels) for classifier, pixels in asked))
        timing = Timing(
            decode=prepared.decoded - prepared.started,
            preprocess=prepared.finished - prepared.decoded,
            queue=prepared.started - called + max(one.queue_s for one in batched),
            inference=max(one.run_s for one in batched),
        )
        return dict(zip(classifiers, (one.result for one in batched), strict=True)), timing

    def _prepare(self, classifiers: Sequence[Classifier], data: bytes, apply_exif: bool) -> _Prepared:
        """Runs in a thread of the pool: one per core, as a photo of 12 megapixels holds a core for 20 ms and more."""
        started = perf_counter()
        wanted = [classifier.metadata.preprocessing for classifier in classifiers]
        at_least = Size(max(one.width for one in wanted), max(one.height for one in wanted))
        image = decode(data, at_least, self.settings.image_limits, apply_exif=apply_exif)
        decoded = perf_counter()
        pixels = [preprocessing.apply(image) for preprocessing in wanted]
        return _Prepared(pixels, started, decoded, perf_counter())


def _load(repository: ModelRepository, name: str, settings: Settings) -> OnnxModel:
    version = repository.latest(name)
    model = OnnxModel(repository.path(name, version), settings.device)
    if (model.metadata.name, model.metadata.version) != (name, version):
        says = f"{model.metadata.name} version {model.metadata.version}"
        raise InvalidModelError(f"the file of {name} version {version} says that it is {says}")
    largest = _max_batch(model, settings)
    # A GPU stalls at the first call of every shape, a CPU does not.
    model.prove([1, largest] if model.kind == "cpu" else range(1, largest + 1))
    return model


def _classifier(model: OnnxModel, settings: Settings) -> Classifier:
    workers = _threads(settings) if model.kind == "cpu" else 1
    return Classifier(
        model, workers=workers, max_batch=_max_batch(model, settings), max_queue=settings.max_queued_images
    )


def _threads(settings: Settings) -> int:
    return settings.threads or len(os.sched_getaffinity(0))


def _max_batch(model: OnnxModel, settings: Settings) -> int:
    return settings.max_batch_images or (_CPU_BATCH if model.kind == "cpu" else _GPU_BATCH)


def _longest(timings: Sequence[Timing]) -> Timing:
    return Timing(*map(max, zip(*timings, strict=True))) if timings else Timing()
