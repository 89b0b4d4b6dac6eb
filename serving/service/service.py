"""PredictionService: the loaded classifiers. Every protocol and the command line enter here."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import starmap
from random import Random
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.errors import DeadlineExceededError, ModelNotFoundError, NotReadyError, RequestTooLargeError
from serving.engine.classifier import Classifier, in_use
from serving.engine.decoding import Decoders
from serving.engine.interruption import within
from serving.engine.observer import UNOBSERVED, DropReason, Observer
from serving.engine.workshop import Workshop
from serving.service.admission import Admission, Admitted, deadline_of, late
from serving.service.answering import Answering, tell_of, together
from serving.service.answers import Answer, Answers, Timing
from serving.service.explaining import Explaining
from serving.service.readiness import hung
from serving.settings import Settings
from serving.settings.cores import threads
from serving.settings.memory import decoded_bytes
from serving.versions.registry import Registry
from serving.versions.served_model import Route, ServedModel

_ANY = "0"  # OpenVINO's clients send this version where they mean the default


class PredictionService:
    """All classifiers of a repository, each loaded, warm and right on its golden samples.

    Attributes:
        settings: what it was loaded with.
        registry: loads, unloads and labels versions.
        bodies: bytes of request bodies and of decoded pixels; whoever reads bodies takes of it too.
        images: images that are being answered.
        workshop: where photos are decoded and turned.
        limits: of one picture.
        admission: keeps both, and how long one image more would wait.
        explaining: tells what an answer hangs on.
    """

    def __init__(self, settings: Settings, registry: Registry, observer: Observer = UNOBSERVED) -> None:
        self.settings = settings
        self.admission = Admission(settings)
        self.bodies, self.images = self.admission.bodies, self.admission.images
        self.registry, self._observer = registry, observer
        self.workshop = Workshop(
            threads=threads(settings), max_queue=settings.max_queued_images, max_bytes=decoded_bytes(settings)
        )
        self.limits = replace(settings.image_limits, max_decoded_bytes=self.workshop.largest_bytes)
        decoders = Decoders(self.workshop, self.limits, settings.decode_timeout_s, self.admission.waiting)
        self._answering = Answering(decoders, observer)
        self.explaining = Explaining(settings, self.admission, decoders)
        self._random = Random()  # noqa: S311 - shares of traffic, no secrets
        self._draining = self._closed = False

    @classmethod
    def load(cls, settings: Settings, observer: Observer = UNOBSERVED, only: Collection[str] = ()) -> Self:
        """Loads and proves the wanted versions of every model; one that fails keeps the service from starting.

        Args:
            settings: where they are, and what a picture may cost.
            observer: is told what happens.
            only: names of the models that will be asked. If one of them is not there, all are loaded, as that is told.

        Raises:
            ModelNotFoundError: the repository is empty.
            InvalidModelError: a model is broken, or wrong on a golden sample.
            DeviceError: the device that was asked for is not in effect.
        """
        registry = Registry(settings, observer)
        registry.start(only)
        return cls(settings, registry, observer)

    @property
    def ready(self) -> bool:
        """Whether new callers should come: not while it drains, although it still answers those who do."""
        return self.unready is None

    @property
    def unready(self) -> str | None:
        """Why they should not."""
        if self._draining or self._closed:
            return "the service is shutting down"
        return hung(self.models, self.settings.request_timeout_s)

    @property
    def models(self) -> Mapping[str, ServedModel]:
        """What is served, by name: all versions and labels."""
        return self.registry.models

    @property
    def classifiers(self) -> dict[str, Classifier]:
        """Of each model the version that answers unless told otherwise, by name."""
        return {name: model.default for name, model in self.models.items()}

    @property
    def default_names(self) -> list[str]:
        """The models that are asked where the caller names none."""
        return [name for name, classifier in self.classifiers.items() if classifier.metadata.default]

    def model(self, name: str) -> ServedModel:
        """The loaded versions of this name.

        Raises:
            ModelNotFoundError: there are none.
        """
        models = self.registry.models
        if name not in models:
            raise ModelNotFoundError(f"there is no model {name[:100]!r}; there are: {', '.join(models) or 'none'}")
        return models[name]

    def classifier(self, name: str, version: str | None = None, label: str | None = None) -> Classifier:
        """The loaded classifier of this name, and of this version or label if one is given.

        Raises:
            ModelNotFoundError: it is not loaded.
        """
        return self.model(name).find(None if version == _ANY else version, label)

    def route(self, name: str, version: str | None = None, label: str | None = None) -> Route:
        """Where the next call goes: as ``classifier``, but the labels' shares and the shadow count.

        Raises:
            ModelNotFoundError: it is not loaded.
        """
        if version in (None, _ANY) and label is None:
            return self.model(name).route(self._random.random())
        return Route(self.classifier(name, version, label))

    def refuse_if_full(self) -> None:
        """Raises QueueFullError before a body is read that there would be no room or no time for."""
        self.admission.refuse_if_full()

    async def predict(
        self,
        asked: Sequence[str | Route],
        images: Sequence[bytes],
        *,
        apply_exif: bool = True,
        timeout_s: float | None = None,
        tell: Callable[[int, Answer], None] | None = None,
    ) -> Answers:
        """Asks one or several models about each image; an image is decoded once for all of them.

        Args:
            asked: the models by name, or where to go.
            images: encoded photos.
            apply_exif: whether the EXIF orientation is applied before a model sees the picture.
            timeout_s: seconds until the caller wants no answer any more; None waits for ever.
            tell: told of each image's answer as soon as there is one, and of its place; in the event loop.

        Raises:
            ModelNotFoundError: a model is not loaded.
            RequestTooLargeError: more images than one request may hold.
            QueueFullError: more images than there is room for; not one has been decoded.
            DeadlineExceededError: ``timeout_s`` passed, or would pass; what had not begun is skipped.
            NotReadyError: the service is closed.
        """
        routes = self._routes(asked)
        deadline, told = deadline_of(timeout_s), list[Answer]()

        async def answer(index: int, data: bytes) -> tuple[Answer, Timing]:
            answered = await self._answering.photo(routes, data, apply_exif=apply_exif, deadline=deadline)
            if tell is not None:
                tell(index, answered[0])
                told.append(answered[0])
            return answered

        return await self._answer(routes, len(images), starmap(answer, enumerate(images)), timeout_s, told)

    async def predict_pixels(
        self, asked: str | Route, pixels: NDArray[np.uint8], *, timeout_s: float | None = None
    ) -> Answers:
        """Asks one model about ready-made tensors: there is nothing to decode, so they enter at the batcher.

        Args:
            asked: the model by name, or where to go.
            pixels: ``uint8[N, H, W, C]``, of the shape that the model's preprocessing gives.
            timeout_s: as for ``predict``.

        Raises:
            LoupeError: as ``predict``.
        """
        routes = self._routes([asked])
        [preprocessing] = {route.classifier.metadata.preprocessing for route in routes.values()}
        deadline = deadline_of(timeout_s)
        answering = (self._answering.pixels(routes, {preprocessing: image}, deadline=deadline) for image in pixels)
        return await self._answer(routes, len(pixels), answering, timeout_s)

    def drain(self) -> None:
        """Says from now on that it is not ready, and still answers."""
        self._draining = True

    def close(self) -> None:
        """Refuses new images, answers those inside, and ends all threads."""
        self._closed = True
        self.workshop.close()
        self.registry.close()

    def _routes(self, asked: Sequence[str | Route]) -> dict[str, Route]:
        routes = (self.route(one) if isinstance(one, str) else one for one in asked)
        return {route.classifier.name: route for route in routes}

    async def _answer(
        self,
        routes: dict[str, Route],
        count: int,
        answering: Iterable[Awaitable[tuple[Answer, Timing]]],
        timeout_s: float | None,
        told: Sequence[Answer] = (),
    ) -> Answers:
        """Begins with none of ``answering`` unless there is room for all; some may have been told when it fails."""
        versions = {name: route.classifier.version for name, route in routes.items()}
        asked = [classifier for route in routes.values() for classifier in route.asked]
        with self._admitted(asked, count), in_use(asked):
            self._observer.asked(versions)
            try:
                with within(timeout_s):
                    answered = await together(answering)
            except (TimeoutError, DeadlineExceededError):
                self._drop(versions, count, told, "deadline")
                raise late(timeout_s) from None
            except asyncio.CancelledError:
                self._drop(versions, count, told, "cancelled")
                raise
        timing = Timing.longest([timing for _, timing in answered])
        answers = Answers([answer for answer, _ in answered], timing, versions)
        self._observer.answered(timing._asdict())
        tell_of(answers.images, versions, self._observer)
        return answers

    def _admitted(self, asked: Sequence[Classifier], count: int) -> Admitted:
        """Keeps room for the images and their pixels."""
        if self._closed:
            raise NotReadyError("the service is shutting down")
        if count > (allowed := self.settings.max_request_images):
            raise RequestTooLargeError(f"the request has {count} images; at most {allowed} are allowed")
        return self.admission.admitted(count, count * sum([classifier.pixel_bytes for classifier in asked]))

    def _drop(self, versions: Mapping[str, str], count: int, told: Sequence[Answer], reason: DropReason) -> None:
        tell_of(told, versions, self._observer)
        for name in versions:
            self._observer.dropped(name, count - len(told), reason)
