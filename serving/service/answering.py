"""Answering: one photo, or its ready-made pixels, on its way through decoders and classifiers."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import Future
from functools import partial
from time import perf_counter
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.drift import Shape
from models.errors import ImageError
from models.preprocessing import Preprocessing
from serving.engine.batcher import Batched
from serving.engine.classifier import Prediction, Promised
from serving.engine.decoding import Decoders, Prepared
from serving.engine.observer import Observer
from serving.engine.outcome import outcome
from serving.service.answers import Answer, Timing
from serving.service.shadow import judge
from serving.versions.served_model import Route

_Result = TypeVar("_Result")


class _Begun(NamedTuple):
    """One image, with every classifier that was asked; some may have answered already."""

    answering: dict[str, Promised]
    compare: dict[str, Callable[[Prediction], None]]
    decoded: Timing
    shape: Shape
    at: float


class Answering:
    """The way through the decoders to the classifiers that a request was routed to."""

    def __init__(self, decoders: Decoders, observer: Observer) -> None:
        self._observer = observer
        self._decoders = decoders

    async def photo(
        self, routes: Mapping[str, Route], data: bytes, *, apply_exif: bool, deadline: float
    ) -> tuple[Answer, Timing]:
        """Asks one or several models about an encoded photo, which is decoded once for all of them.

        Raises:
            DeadlineExceededError: there would be no answer before ``perf_counter()`` reaches the deadline.
            ServiceError: a queue is full, or a classifier is closed.
        """
        asked = [classifier for route in routes.values() for classifier in route.asked]
        wanted = frozenset(classifier.metadata.preprocessing for classifier in asked)
        begin = partial(self._begin, routes, deadline)
        try:
            begun = await self._decoders.prepare(data, wanted, begin, apply_exif=apply_exif, deadline=deadline)
        except ImageError as error:
            return error, Timing()
        for classifier in asked:
            self._observer.pictured(classifier.metadata, begun.shape)
        answered = await _ended(begun.answering, begun.compare, begun.decoded)
        decoded = begun.decoded
        self._decoders.note_answer(decoded.decode + decoded.preprocess + perf_counter() - begun.at)
        return answered

    async def pixels(
        self, routes: Mapping[str, Route], pixels: Mapping[Preprocessing, NDArray[np.uint8]], *, deadline: float
    ) -> tuple[Answer, Timing]:
        """Asks models about one image, ``uint8[H, W, C]`` as each preprocessing makes it.

        Raises:
            DeadlineExceededError: no worker was free before the deadline.
            ServiceError: a queue is full, or a classifier is closed.
        """
        return await _ended(_queued(routes, pixels, deadline), self._copies(routes, pixels), Timing())

    def _begin(self, routes: Mapping[str, Route], deadline: float, prepared: Prepared) -> _Begun:
        """In the thread that decoded; it queues the image for all models but one, and may answer that one itself."""
        decoded, pixels = Timing(prepared.decode_s, prepared.preprocess_s, prepared.queue_s), prepared.pixels
        at, copies = perf_counter(), self._copies(routes, pixels)
        *others, own = routes
        answering: dict[str, Promised] = {**_queued({name: routes[name] for name in others}, pixels, deadline)}
        try:
            classifier = routes[own].classifier
            answering[own] = classifier.answer(pixels[classifier.metadata.preprocessing], deadline)
        except BaseException:
            _give_up(answering)
            raise
        return _Begun({name: answering[name] for name in routes}, copies, decoded, prepared.shape, at)

    def _copies(
        self, routes: Mapping[str, Route], pixels: Mapping[Preprocessing, NDArray[np.uint8]]
    ) -> dict[str, Callable[[Prediction], None]]:
        return {
            name: judge(route.shadow, pixels[route.shadow.metadata.preprocessing], self._observer)
            for name, route in routes.items()
            if route.shadow is not None and route.shadow.metadata.preprocessing in pixels
        }


def _queued(
    routes: Mapping[str, Route], pixels: Mapping[Preprocessing, NDArray[np.uint8]], deadline: float
) -> dict[str, "Future[Batched[Prediction]]"]:
    answering = dict[str, "Future[Batched[Prediction]]"]()
    try:
        for name, route in routes.items():
            answering[name] = route.classifier.submit(pixels[route.classifier.metadata.preprocessing], deadline)
    except BaseException:
        _give_up(answering)
        raise
    return answering


async def _ended(
    answering: Mapping[str, Promised],
    compare: Mapping[str, Callable[[Prediction], None]],
    decoded: Timing,
) -> tuple[dict[str, Prediction], Timing]:
    """Where one fails, or nobody waits any more, the others are given up."""
    predictions, queue_s, run_s = dict[str, Prediction](), 0.0, 0.0
    try:
        for name, answer in answering.items():
            batched = answer if isinstance(answer, Batched) else await outcome(answer)
            predictions[name] = batched.result
            queue_s, run_s = max(queue_s, batched.queue_s), max(run_s, batched.run_s)
    except BaseException:
        _give_up(answering)
        raise
    for name, told in compare.items():
        told(predictions[name])
    return predictions, Timing(decoded.decode, decoded.preprocess, decoded.queue + queue_s, run_s)


def _give_up(answering: Mapping[str, Promised]) -> None:
    """Those that are not done."""
    for answer in answering.values():
        if isinstance(answer, Future):
            answer.cancel()


def tell_of(images: Iterable[Answer], versions: Mapping[str, str], observer: Observer) -> None:
    """Tells an observer what these versions answered."""
    good = [answer for answer in images if not isinstance(answer, ImageError)]
    for name, version in versions.items():
        said = [answer[name] for answer in good]
        observer.predicted(name, version, [(one.label, one.certain, one.probability) for one in said])


async def together(calls: Iterable[Awaitable[_Result]]) -> list[_Result]:
    """As asyncio.gather, but where one fails the others are given up."""
    calls = list(calls)
    if len(calls) == 1:
        return [await calls[0]]
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
