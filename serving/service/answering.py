"""Answering: one photo, or its ready-made pixels, on its way through decoders and classifiers."""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from time import perf_counter
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from models.errors import ImageError
from models.preprocessing import Preprocessing
from serving.engine.classifier import Prediction
from serving.engine.decoding import Decoders
from serving.engine.observer import Observer
from serving.service.answers import Answer, Answers, Timing
from serving.service.shadow import judge
from serving.versions.served_model import Route

_Result = TypeVar("_Result")


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
        try:
            prepared = await self._decoders.prepare(data, wanted, apply_exif=apply_exif, deadline=deadline)
        except ImageError as error:
            return error, Timing()
        for classifier in asked:
            self._observer.pictured(classifier.metadata, prepared.shape)
        decoded = perf_counter()
        predictions, timing = await self.pixels(routes, prepared.pixels, deadline=deadline)
        self._decoders.note_answer(prepared.decode_s + prepared.preprocess_s + perf_counter() - decoded)
        return predictions, Timing(
            prepared.decode_s, prepared.preprocess_s, prepared.queue_s + timing.queue, timing.inference
        )

    async def pixels(
        self, routes: Mapping[str, Route], pixels: Mapping[Preprocessing, NDArray[np.uint8]], *, deadline: float
    ) -> tuple[dict[str, Prediction], Timing]:
        """Asks models about one image, ``uint8[H, W, C]`` as each preprocessing makes it.

        Raises:
            DeadlineExceededError: no worker was free before the deadline.
            ServiceError: a queue is full, or a classifier is closed.
        """
        copies = {
            name: judge(route.shadow, pixels[route.shadow.metadata.preprocessing], self._observer)
            for name, route in routes.items()
            if route.shadow is not None and route.shadow.metadata.preprocessing in pixels
        }
        classifiers = [route.classifier for route in routes.values()]
        batched = await together(one.predict(pixels[one.metadata.preprocessing], deadline) for one in classifiers)
        predictions = dict(zip(routes, (one.result for one in batched), strict=True))
        for name, compare in copies.items():
            compare(predictions[name])
        return predictions, Timing(
            queue=max(one.queue_s for one in batched), inference=max(one.run_s for one in batched)
        )


def tell_of(answers: Answers, observer: Observer) -> None:
    """Tells an observer what was answered, and how long that took."""
    observer.answered(answers.timing._asdict())
    good = [answer for answer in answers.images if not isinstance(answer, ImageError)]
    for name, version in answers.versions.items():
        said = [answer[name] for answer in good]
        observer.predicted(name, version, [(one.label, one.certain, one.probability) for one in said])


async def together(calls: Iterable[Awaitable[_Result]]) -> list[_Result]:
    """As asyncio.gather, but where one fails the others are given up."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
