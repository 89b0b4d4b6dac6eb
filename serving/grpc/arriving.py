"""Arriving: gRPC's messages take from the same budget as HTTP's bodies, from their first byte on."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast
from weakref import WeakValueDictionary

from google.protobuf.message import DecodeError

from models.errors import QueueFullError, RequestError, RequestTimeoutError
from serving.engine.allocator import give_back
from serving.engine.budget import Budget, caller
from serving.grpc.wire import parsed_bytes
from serving.settings import Settings

SPARE_BYTES = 64 * 1024
"""Of a message, for all that is no tensor."""

_LARGE_BYTES = 8 * 1024 * 1024  # gRPC receives them in pieces of some kilobytes, which the C library keeps
_FIELDS_PER_IMAGE, _SPARE_FIELDS = 16, 1024


class Arriving:
    """gRPC tells a message's size once it is in memory: so few arrive at once, and each counts as the largest."""

    def __init__(self, bodies: Budget, settings: Settings, most_pixels: Callable[[], int]) -> None:
        """Receives nothing yet; ``most_pixels`` tells how many numbers the largest tensor of any model has."""
        self._bodies = bodies
        self._timeout_s = settings.request_timeout_s
        self._largest = min(settings.max_request_bytes + SPARE_BYTES, settings.max_held_bytes)
        self._most_pixels = most_pixels
        self._max_fields = settings.max_request_images * _FIELDS_PER_IMAGE + _SPARE_FIELDS
        # Half of the budget at most, so that messages that do not come leave the rest to others; and of that no caller
        # more than half.
        places = max(1, settings.max_held_bytes // 2 // self._largest)
        self._places = asyncio.Semaphore(places)
        self._places_of_one = max(1, places // 2)
        self._callers: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def message(self, messages: AsyncIterator[bytes], kind: Any, *, small: bool) -> AsyncIterator[Any]:  # noqa: ANN401
        """Receives the one message of a call, and counts what it takes until the end.

        Args:
            messages: as they come; not one is received before it is asked for.
            kind: the message's class.
            small: whether it holds no image: health is told in a full house too.

        Raises:
            RequestError: there is no message, or it is malformed.
            RequestTimeoutError: it has not arrived within ``request_timeout_s``.
            QueueFullError: there is no room for it.
        """
        with self._bodies.lease() as take:
            data = [await self._received(messages, take, small=small)]
            size = parsed_bytes(data[0], kind.DESCRIPTOR, self._max_fields, self._most_pixels())
            if not small:
                take(size)
            try:
                yield kind.FromString(data.pop())
            except DecodeError:
                raise RequestError("the message is none of this call") from None
            finally:
                if size > _LARGE_BYTES:
                    asyncio.get_running_loop().run_in_executor(None, give_back)

    async def _received(self, messages: AsyncIterator[bytes], take: Any, *, small: bool) -> bytes:  # noqa: ANN401
        stream = cast(AsyncGenerator[bytes], aiter(messages))
        try:
            async with asyncio.timeout(self._timeout_s), self._of_caller(), self._places:
                counted = self._count(take, small=small)
                async with aclosing(stream):  # left half-way, it would hold the message
                    async for message in stream:
                        take(-counted if small else len(message) - counted)
                        return message
        except TimeoutError:
            raise RequestTimeoutError(f"the message did not arrive within {self._timeout_s:g} s") from None
        raise RequestError("the call has no message; exactly one is needed")

    def _count(self, take: Any, *, small: bool) -> int:  # noqa: ANN401
        try:
            take(self._largest)
        except QueueFullError:
            if small:
                return 0
            raise
        return self._largest

    def _of_caller(self) -> asyncio.Semaphore:
        whose = caller.get()
        name = "" if whose is None else whose.name
        return self._callers.setdefault(name, asyncio.Semaphore(self._places_of_one))
