"""Client and AsyncClient: the calls of a Loupe service for Python programs.

    with Client("http://127.0.0.1:8000") as loupe:
        print(loupe.predict("photo.jpg")["orientation"].label)

They differ in how they send and sleep; what is sent, retried and read is in ``flows``.
"""

import time
from collections.abc import Iterable
from functools import partial
from types import TracebackType
from typing import Literal, Self, TypeVar, cast, overload

import anyio
import anyio.to_thread
import httpx

from loupe.answers import Health, Model, Prediction, Predictions, Upright, Version
from loupe.batches import Read, batches, read_one
from loupe.caller import Caller
from loupe.errors import ImageError
from loupe.flows import Asked, Attempt, Flow, Pause, listed
from loupe.images import ImageSource, is_one

__all__ = ["AsyncClient", "Client", "Health", "ImageSource", "Model", "Prediction", "Predictions", "Upright", "Version"]

Exif = Literal["apply", "ignore"]
Method = Literal["tag", "pixels"]
Names = str | Iterable[str] | None
Answer = Predictions | ImageError
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
                except httpx.TransportError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(done)
        except StopIteration as end:
            return cast(T, end.value)

    def _do(self, step: Attempt | Pause) -> httpx.Response | None:
        if isinstance(step, Attempt):
            return self._http.request(**self._arguments(step))
        time.sleep(step.seconds)
        return None


class AsyncClient(Caller[httpx.AsyncClient]):
    """The same for asyncio; many photos travel in several requests at once."""

    _new_http = httpx.AsyncClient

    @overload
    async def predict(  # type: ignore[overload-overlap]  # as above
        self, images: ImageSource, models: Names = None, *, exif: Exif = "apply", top_k: int | None = None
    ) -> Predictions: ...
    @overload
    async def predict(
        self,
        images: Iterable[ImageSource],
        models: Names = None,
        *,
        exif: Exif = "apply",
        top_k: int | None = None,
        concurrency: int = 4,
    ) -> list[Answer]: ...
    async def predict(
        self,
        images: ImageSource | Iterable[ImageSource],
        models: Names = None,
        *,
        exif: Exif = "apply",
        top_k: int | None = None,
        concurrency: int = 4,
    ) -> Predictions | list[Answer]:
        """As ``Client.predict``, with ``concurrency`` requests at once; photos are read in a thread."""
        asked = Asked(listed(models), exif, top_k)
        if is_one(images):
            image = await anyio.to_thread.run_sync(read_one, images)
            return await self._run(self._flows.predict(image, asked))
        return await self._predict_many(cast(Iterable[ImageSource], images), asked, concurrency)

    async def upright(self, image: ImageSource, method: Method = "tag") -> Upright:
        """As ``Client.upright``."""
        return await self._run(self._flows.upright(await anyio.to_thread.run_sync(read_one, image), method))

    async def models(self) -> list[Model]:
        """As ``Client.models``."""
        return await self._run(self._flows.models())

    async def version(self) -> Version:
        """As ``Client.version``."""
        return await self._run(self._flows.version())

    async def health(self) -> Health:
        """As ``Client.health``."""
        return await self._run(self._flows.health())

    async def aclose(self) -> None:
        """Closes the connections."""
        if self._owns_http:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.aclose()

    async def _predict_many(self, images: Iterable[ImageSource], asked: Asked, concurrency: int) -> list[Answer]:
        several, places, answered = batches(images, self._limits), anyio.Semaphore(concurrency), list[list[Answer]]()

        async def ask(batch: list[Read], place: list[Answer]) -> None:
            place += await self._run(self._flows.predict_batch(batch, asked))
            places.release()

        try:
            async with anyio.create_task_group() as tasks:
                while True:
                    await places.acquire()  # before the next photos are read: no more are held than are on their way
                    batch = await anyio.to_thread.run_sync(partial(next, several, None))
                    if batch is None:
                        break
                    answered.append([])
                    tasks.start_soon(ask, batch, answered[-1])
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None  # the first failure ended the others; callers expect it as it is
        return [answer for place in answered for answer in place]

    async def _run(self, flow: Flow[T]) -> T:
        try:
            step = next(flow)
            while True:
                try:
                    done = await self._do(step)
                except httpx.TransportError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(done)
        except StopIteration as end:
            return cast(T, end.value)

    async def _do(self, step: Attempt | Pause) -> httpx.Response | None:
        if isinstance(step, Attempt):
            return await self._http.request(**self._arguments(step))
        await anyio.sleep(step.seconds)
        return None
