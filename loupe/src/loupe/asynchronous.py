"""AsyncClient: what ``client.Client`` does, for asyncio."""

from collections.abc import Iterable
from functools import partial
from types import TracebackType
from typing import Self, TypeVar, cast, overload

import anyio
import anyio.to_thread
import httpx

from loupe.answers import Answer, Health, Model, Predictions, Upright, Version
from loupe.batches import Read, batches, read_one
from loupe.caller import Caller, at_least
from loupe.flows import Asked, Attempt, Exif, Flow, Method, Names, Pause, listed
from loupe.images import ImageSource, is_one
from loupe.second_looks import Correction, Drift, Explanation

T = TypeVar("T")


class AsyncClient(Caller[httpx.AsyncClient]):
    """As ``client.Client``; many photos travel in several requests at once."""

    _new_http = httpx.AsyncClient

    @overload
    async def predict(  # type: ignore[overload-overlap]  # as Client's
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
        """As ``Client.predict``, with ``concurrency`` requests at once; photos are read in a thread.

        Raises:
            ValueError: ``concurrency`` is below 1.
        """
        at_least(1, concurrency=concurrency)
        asked = Asked(listed(models), exif, top_k)
        if is_one(images):
            return await self._run(self._flows.predict(await _read(images), asked))
        return await self._predict_many(cast(Iterable[ImageSource], images), asked, concurrency)

    async def upright(self, image: ImageSource, method: Method = "tag") -> Upright:
        """As ``Client.upright``."""
        return await self._run(self._flows.upright(await _read(image), method))

    async def explain(
        self, image: ImageSource, model: str, label: str | None = None, *, exif: Exif = "apply"
    ) -> Explanation:
        """As ``Client.explain``."""
        return await self._run(self._flows.explain(await _read(image), model, label, exif))

    async def explain_drawn(
        self, image: ImageSource, model: str, label: str | None = None, *, exif: Exif = "apply"
    ) -> bytes:
        """As ``Client.explain_drawn``."""
        return await self._run(self._flows.explain_drawn(await _read(image), model, label, exif))

    async def feedback(self, image: ImageSource, model: str, label: str) -> Correction:
        """As ``Client.feedback``."""
        return await self._run(self._flows.feedback(await _read(image), model, label))

    async def drift(self, model: str, version: str | None = None) -> Drift:
        """As ``Client.drift``."""
        return await self._run(self._flows.drift(model, version))

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
                except httpx.RequestError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(done)
        except StopIteration as end:
            return cast(T, end.value)

    async def _do(self, step: Attempt | Pause) -> httpx.Response | None:
        if isinstance(step, Attempt):
            return await self._asked(step)
        await anyio.sleep(step.seconds)
        return None

    async def _asked(self, attempt: Attempt) -> httpx.Response:
        """As a whole in time: httpx's timeouts hold for each read and write alone."""
        with anyio.move_on_after(self._longest_s(attempt)):
            return await self._http.request(**self._arguments(attempt))
        raise httpx.ReadTimeout("the answer takes too long")


async def _read(image: ImageSource) -> bytes:
    """In a thread, as a file may be slow."""
    return await anyio.to_thread.run_sync(read_one, image)
