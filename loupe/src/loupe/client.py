"""Client and AsyncClient: the calls of a Loupe service for Python programs.

    with Client("http://127.0.0.1:8000") as loupe:
        print(loupe.predict("photo.jpg")["orientation"].label)

They differ in how they send and sleep; what is sent, retried and read is in ``flows``.
"""

import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self, TypeVar, cast, overload

import httpx

from loupe.answers import Answer, Health, Model, Prediction, Predictions, Upright, Version
from loupe.asynchronous import AsyncClient
from loupe.batches import batches, read_one
from loupe.caller import Caller
from loupe.flows import Asked, Attempt, Exif, Flow, Method, Names, Pause, listed
from loupe.images import ImageSource, is_one
from loupe.in_time import ask_in_time
from loupe.second_looks import Correction, Drift, Explanation, FeatureDrift

__all__ = [
    "AsyncClient",
    "Client",
    "Correction",
    "Drift",
    "Explanation",
    "FeatureDrift",
    "Health",
    "ImageSource",
    "Model",
    "Prediction",
    "Predictions",
    "Upright",
    "Version",
]

T = TypeVar("T")


class Client(Caller[httpx.Client]):
    """Asks a service and waits for the answer. Threads may share one."""

    _new_http = httpx.Client

    @overload
    def predict(  # type: ignore[overload-overlap]  # bytes and files are iterable too, but one photo each
        self, images: ImageSource, models: Names = None, *, exif: Exif = "apply", top_k: int | None = None
    ) -> Predictions: ...
    @overload
    def predict(
        self, images: Iterable[ImageSource], models: Names = None, *, exif: Exif = "apply", top_k: int | None = None
    ) -> list[Answer]: ...
    def predict(
        self,
        images: ImageSource | Iterable[ImageSource],
        models: Names = None,
        *,
        exif: Exif = "apply",
        top_k: int | None = None,
    ) -> Predictions | list[Answer]:
        """Asks models about one photo or about many.

        Args:
            images: one photo; or an iterable of them, which are read as they are sent.
            models: names; None asks those that answer by default.
            exif: ``ignore`` judges the pixels as they are stored.
            top_k: keeps the likeliest labels alone.

        Returns:
            One photo's predictions by model. Of many a list in their order, with an ImageError in the place of
            each that cannot be used.

        Raises:
            ImageError: the one photo cannot be used.
            RequestError: the call is wrong.
            ServiceError: the service did not answer, through all retries.
        """
        asked = Asked(listed(models), exif, top_k)
        if is_one(images):
            return self._run(self._flows.predict(read_one(images), asked))
        several = batches(cast(Iterable[ImageSource], images), self._limits)
        return [answer for batch in several for answer in self._run(self._flows.predict_batch(batch, asked))]

    def upright(self, image: ImageSource, method: Method = "tag") -> Upright:
        """Turns a photo upright, if the service is certain which side is up.

        Args:
            image: one photo.
            method: ``tag`` changes the EXIF orientation alone, ``pixels`` the pixels, without loss where possible.

        Raises:
            LoupeError: as ``predict``.
        """
        return self._run(self._flows.upright(read_one(image), method))

    def explain(self, image: ImageSource, model: str, label: str | None = None, *, exif: Exif = "apply") -> Explanation:
        """Tells which parts of a photo an answer hangs on; it takes as long as fifty answers, and counts as so many.

        Args:
            image: one photo.
            model: its name.
            label: to explain; None explains the one that is answered.
            exif: ``ignore`` judges the pixels as they are stored.

        Raises:
            LoupeError: as ``predict``; UnauthorizedError where the service does not explain.
        """
        return self._run(self._flows.explain(read_one(image), model, label, exif))

    def explain_drawn(self, image: ImageSource, model: str, label: str | None = None, *, exif: Exif = "apply") -> bytes:
        """As ``explain``, drawn over the photo as the model sees it: a PNG, red where the answer needs it."""
        return self._run(self._flows.explain_drawn(read_one(image), model, label, exif))

    def feedback(self, image: ImageSource, model: str, label: str) -> Correction:
        """Tells the service which label is right where a model's answer is wrong.

        Raises:
            LoupeError: as ``predict``; UnauthorizedError where the service keeps no corrections.
        """
        return self._run(self._flows.feedback(read_one(image), model, label))

    def drift(self, model: str, version: str | None = None) -> Drift:
        """How far the last pictures differ from the model's own photos.

        Raises:
            LoupeError: as ``predict``; NotFoundError where the model's file does not say what those look like.
        """
        return self._run(self._flows.drift(model, version))

    def models(self) -> list[Model]:
        """What is served."""
        return self._run(self._flows.models())

    def version(self) -> Version:
        """Which Loupe answers, and with which models."""
        return self._run(self._flows.version())

    def health(self) -> Health:
        """How the service is; asked once, without retries."""
        return self._run(self._flows.health())

    def close(self) -> None:
        """Closes the connections."""
        if self._owns_http:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def _run(self, flow: Flow[T]) -> T:
        try:
            step = next(flow)
            while True:
                try:
                    done = self._do(step)
                except httpx.RequestError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(done)
        except StopIteration as end:
            return cast(T, end.value)

    def _do(self, step: Attempt | Pause) -> httpx.Response | None:
        if isinstance(step, Attempt):
            return ask_in_time(self._http, self._arguments(step), self._longest_s(step))
        time.sleep(step.seconds)
        return None
