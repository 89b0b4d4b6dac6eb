"""A request's body as it arrives: decompressed, and no more of it than is allowed."""

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from fastapi import Request

from models.errors import RequestError, RequestTimeoutError, RequestTooLargeError, UnsupportedImageError
from serving.settings import Settings

_WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
_PIECE_BYTES = 256 * 1024  # decompressed in one go: under a millisecond in which nobody else is served


async def chunks(request: Request, settings: Settings, take: Callable[[int], None]) -> AsyncGenerator[bytes, None]:
    """Yields the decompressed body.

    Args:
        request: its Content-Encoding may be gzip or deflate.
        settings: the limits.
        take: told of every chunk before the next is read; raises QueueFullError if there is no room for it.

    Raises:
        RequestError: the body is not compressed as it says.
        RequestTooLargeError: it has more than ``max_request_bytes``, compressed or not.
        UnsupportedImageError: its encoding is another one.
    """
    limit, received = settings.max_request_bytes, 0
    too_large = RequestTooLargeError(f"the body has more than the {limit} bytes that are allowed")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise too_large
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    async for chunk in _decompressed(request.stream(), encoding):
        received += len(chunk)
        if received > limit:
            raise too_large
        take(len(chunk))
        yield chunk


async def read_all(request: Request, settings: Settings, take: Callable[[int], None]) -> bytes:
    """Reads the whole body.

    Raises:
        RequestTimeoutError: it has not arrived within ``request_timeout_s``.
        LoupeError: as ``chunks``.
    """
    try:
        async with asyncio.timeout(settings.request_timeout_s):
            return b"".join([chunk async for chunk in chunks(request, settings, take)])
    except TimeoutError:
        raise RequestTimeoutError(f"the body did not arrive within {settings.request_timeout_s:g} s") from None


async def _decompressed(stream: AsyncIterator[bytes], encoding: str) -> AsyncGenerator[bytes, None]:
    if encoding == "identity":
        async for chunk in stream:
            yield chunk
        return
    if encoding not in _WINDOWS:
        raise UnsupportedImageError(
            f"a body with the Content-Encoding {encoding[:50]!r} is not read; allowed are gzip and deflate"
        )
    inflater = zlib.decompressobj(_WINDOWS[encoding])
    async for chunk in stream:
        pending = bool(chunk)
        while pending:
            piece = _inflate(inflater, chunk, encoding)
            yield piece
            chunk = inflater.unconsumed_tail
            pending = bool(chunk) or len(piece) == _PIECE_BYTES  # a full piece may leave some inside the inflater
            await asyncio.sleep(0)
    if not inflater.eof:
        raise RequestError(f"the {encoding} body is cut off")


def _inflate(inflater: "zlib._Decompress", chunk: bytes, encoding: str) -> bytes:
    try:
        piece = inflater.decompress(chunk, _PIECE_BYTES)
    except zlib.error:
        raise RequestError(f"the body is not compressed with {encoding} as its Content-Encoding says") from None
    if inflater.unused_data:
        raise RequestError(f"there are bytes behind the end of the {encoding} body")
    return piece
