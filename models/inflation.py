"""Inflation: deflate streams unpacked to no more bytes than are allowed, and never many at once.

Whatever strangers send packed is unpacked here: bodies of requests, and text, XMP and profiles within pictures.
"""

import zlib
from collections.abc import Iterator

ZLIB = zlib.MAX_WBITS
"""The window of a zlib stream (RFC 1950), as PNG and ``Content-Encoding: deflate`` have it."""

GZIP = 16 + zlib.MAX_WBITS
"""The window of a gzip stream (RFC 1952)."""

PIECE_BYTES = 256 * 1024
"""Of one step: under a millisecond of work."""


class SwollenError(ValueError):
    """More comes out than is allowed."""


class Inflater:
    """One stream, fed as it arrives.

    Attributes:
        inflated: bytes that came out so far.
        trailing: whether something stands behind the stream's end.
    """

    def __init__(self, limit: int, window: int = ZLIB) -> None:
        """Begins a stream.

        Args:
            limit: the most bytes that may come out.
            window: ``ZLIB`` or ``GZIP``.
        """
        self.inflated = 0
        self.trailing = False
        self._limit = limit
        self._stream = zlib.decompressobj(window)

    @property
    def finished(self) -> bool:
        """Whether the stream's end was met."""
        return self._stream.eof

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yields what comes out of the next bytes of the stream, at most ``PIECE_BYTES`` at a time; nothing behind it.

        zlib would keep what it is given behind the end, and copy all of it for each chunk more.

        Raises:
            SwollenError: more came out than the limit allows; no more than one byte beyond it was made.
            zlib.error: the stream is broken.
        """
        if self.finished:
            self.trailing |= bool(chunk)
            return
        pending = bool(chunk)
        while pending:
            room = min(PIECE_BYTES, self._limit - self.inflated + 1)
            piece = self._stream.decompress(chunk, room)
            self.inflated += len(piece)
            if self.inflated > self._limit:
                raise SwollenError(f"more than the {self._limit} bytes that are allowed come out of it")
            if piece:
                yield piece
            chunk = self._stream.unconsumed_tail
            pending = bool(chunk) or len(piece) == room  # a full piece may leave some inside the stream
        self.trailing = bool(self._stream.unused_data)


def inflate(data: bytes, limit: int, window: int = ZLIB) -> bytes:
    """Unpacks a whole stream; bytes behind its end are passed over.

    Raises:
        SwollenError: more than ``limit`` bytes come out.
        zlib.error: the stream is broken or cut off.
    """
    inflater = Inflater(limit, window)
    inflated = b"".join(inflater.feed(data))
    if not inflater.finished:
        raise zlib.error("the stream is cut off")
    return inflated
