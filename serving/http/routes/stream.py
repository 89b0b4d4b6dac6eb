"""A request's body as it arrives: decompressed, and no more of it than is allowed."""

import asyncio
import zlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import NamedTuple, Self

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from models.errors import RequestError, RequestTimeoutError, RequestTooLargeError, UnsupportedImageError
from models.inflation import GZIP, ZLIB, Inflater, SwollenError
from serving.engine.interruption import within
from serving.parsing.off_loop import joined
from serving.settings import Settings

_WINDOWS = {"gzip": GZIP, "x-gzip": GZIP, "deflate": ZLIB}


class Incoming(NamedTuple):
    """What of Starlette's ``Request`` is asked of a call that predicts.

    Attributes:
        headers: by their names in lower case.
        receive: gives the body.
    """

    headers: Mapping[str, str]
    receive: Receive


def chunks(request: Request | Incoming, settings: Settings, take: Callable[[int], None]) -> AsyncIterator[bytes]:
    """Gives the decompressed body.

    Args:
        request: its Content-Encoding may be gzip or deflate.
        settings: the limits.
        take: told of every chunk before the next is read; raises QueueFullError if there is no room for it.

    Raises:
        RequestError: the body is not compressed as it says.
        RequestTooLargeError: it has more than ``max_request_bytes``, compressed or not.
        UnsupportedImageError: its encoding is another one.
    """
    limit = settings.max_request_bytes
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise _too_large(limit)
    arriving = _Arriving(request.receive, limit, take)
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding == "identity":
        return arriving
    if encoding not in _WINDOWS:
        raise UnsupportedImageError(
            f"a body with the Content-Encoding {encoding[:50]!r} is not read; allowed are gzip and deflate"
        )
    return _inflated(arriving, encoding, limit, take)


class _Arriving:
    """The chunks of a body as they were sent; no async generator, which costs the loop five times as much."""

    def __init__(self, receive: Receive, limit: int, take: Callable[[int], None]) -> None:
        self._receive = receive
        self._limit = limit
        self._take = take
        self._received = 0
        self._more = True

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while self._more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            chunk: bytes = message.get("body", b"")
            self._more = message.get("more_body", False)
            self._received += len(chunk)
            if self._received > self._limit:
                raise _too_large(self._limit)
            if chunk:
                self._take(len(chunk))
                return chunk
        raise StopAsyncIteration


async def read_all(request: Request | Incoming, settings: Settings, take: Callable[[int], None]) -> bytes:
    """Reads the whole body.

    Raises:
        RequestTimeoutError: it has not arrived within ``request_timeout_s``.
        LoupeError: as ``chunks``.
    """
    try:
        with within(settings.request_timeout_s):
            return await joined([chunk async for chunk in chunks(request, settings, take)])
    except TimeoutError:
        raise RequestTimeoutError(f"the body did not arrive within {settings.request_timeout_s:g} s") from None


async def _inflated(
    arriving: AsyncIterator[bytes], encoding: str, limit: int, take: Callable[[int], None]
) -> AsyncIterator[bytes]:
    """Only once all of it is there: a body that does not end would hold up to a thousand times what was sent."""
    packed = deque([chunk async for chunk in arriving])
    if not packed:
        return
    inflater = Inflater(limit, _WINDOWS[encoding])
    try:
        while packed:
            for piece in inflater.feed(chunk := packed.popleft()):
                take(len(piece))
                yield piece
                await asyncio.sleep(0)
            take(-len(chunk))
            if inflater.trailing:
                raise RequestError(f"there are bytes behind the end of the {encoding} body")
            await asyncio.sleep(0)  # there may be megabytes of which nothing comes out
    except SwollenError:
        raise _too_large(limit) from None
    except zlib.error:
        raise RequestError(f"the body is not compressed with {encoding} as its Content-Encoding says") from None
    if not inflater.finished:
        raise RequestError(f"the {encoding} body is cut off")


def _too_large(limit: int) -> RequestTooLargeError:
    return RequestTooLargeError(f"the body has more than the {limit} bytes that are allowed")
