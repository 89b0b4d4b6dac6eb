"""Arriving: gRPC's messages take from the same budget as HTTP's bodies, from their first byte on."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast

from google.protobuf.message import DecodeError

from models.errors import RequestError, RequestTooLargeError
from serving.engine.allocator import give_back
from serving.engine.budget import Budget
from serving.grpc.places import Places
from serving.grpc.wire import parsed_bytes
from serving.settings import Settings

SPARE_BYTES = 64 * 1024
"""Of a message, for all that is no tensor."""

SMALL_S = 0.5
"""Seconds in which a message without images must come if others wait for its place: it comes with its headers."""

_LARGE_BYTES = 8 * 1024 * 1024  # gRPC receives them in pieces of some kilobytes, which the C library keeps
_FIELDS_PER_IMAGE, _SPARE_FIELDS = 16, 1024


class Arriving:
    """gRPC tells a message's size once it is in memory: so few arrive at once, and each counts as the largest.

    Those of calls without images have places of their own, and count for nothing: health is told in a full house too.
    """

    def __init__(self, bodies: Budget, settings: Settings, most_pixels: Callable[[], int]) -> None:
        """Receives nothing yet; ``most_pixels`` tells how many numbers the largest tensor of any model has."""
        self._bodies = bodies
        self._largest = min(settings.max_request_bytes + SPARE_BYTES, settings.max_held_bytes)
        self._most_pixels = most_pixels
        self._max_fields = settings.max_request_images * _FIELDS_PER_IMAGE + _SPARE_FIELDS
        # Half of the budget at most, so that messages that do not come leave the rest to others; and of that no caller
        # more than half.
        places = max(1, settings.max_held_bytes // 2 // self._largest)
        of_one = max(1, places // 2)
        self._large = Places(places, of_one, settings.request_timeout_s, settings.read_timeout_s)
        self._small = Places(2 * places, of_one, settings.read_timeout_s, SMALL_S)

    @asynccontextmanager
    async def message(self, messages: AsyncIterator[bytes], kind: Any, *, small: bool) -> AsyncIterator[Any]:  # noqa: ANN401
        """Receives the one message of a call, and counts what it takes until the end.

        Args:
            messages: as they come; not one is received before it is asked for.
            kind: the message's class.
            small: whether it holds no image.

        Raises:
            RequestError: there is no message, or it is malformed.
            RequestTooLargeError: it is no small one.
            RequestTimeoutError: it has not arrived in time.
            QueueFullError: there is no room for it.
        """
        if not kind.DESCRIPTOR.fields:  # it tells nothing, and need not come
            yield kind()
            return
        with self._bodies.lease() as take:
            data = [await (self._received_small(messages) if small else self._received(messages, take))]
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

    async def _received(self, messages: AsyncIterator[bytes], take: Callable[[int], None]) -> bytes:
        async with self._large.one():
            take(self._largest)
            message = await _first(messages)
            take(len(message) - self._largest)
            return message

    async def _received_small(self, messages: AsyncIterator[bytes]) -> bytes:
        async with self._small.one():
            message = await _first(messages)
        if len(message) > SPARE_BYTES:
            raise RequestTooLargeError(f"the message has more than the {SPARE_BYTES} bytes that this call may have")
        return message


async def _first(messages: AsyncIterator[bytes]) -> bytes:
    async with aclosing(cast(AsyncGenerator[bytes], aiter(messages))) as stream:  # left half-way, it would hold it
        async for message in stream:
            return message
    raise RequestError("the call has no message; exactly one is needed")
