"""Compressed bodies of which nothing comes out."""

import asyncio
import gzip
from collections.abc import Sequence

import pytest

from models.errors import RequestError
from serving.http.routes.stream import Incoming, chunks
from serving.settings import Settings

GZIP_HEAD = gzip.compress(b"")[:10]
EMPTY_BLOCK = b"\0\0\0\xff\xff"
CHUNK = 64 * 1024


async def read(pieces: Sequence[bytes], taken: list[int]) -> tuple[str, int]:
    """Why they were refused, and how often the loop turned meanwhile."""
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages.append({"type": "http.request"})

    async def receive():
        return messages.pop(0)

    async def read_them() -> str:
        with pytest.raises(RequestError) as refused:
            [_ async for _ in chunks(Incoming({"content-encoding": "gzip"}, receive), Settings(), taken.append)]
        return str(refused.value)

    reading, turns = asyncio.ensure_future(read_them()), 0
    while not reading.done():
        turns += 1
        await asyncio.sleep(0)
    return reading.result(), turns


def test_bytes_behind_the_end_are_refused_at_the_first_of_them():
    """64 MiB of them were all looked at first, and copied each time: 5 s of the event loop."""
    taken = list[int]()
    said, _ = asyncio.run(read([gzip.compress(b"x"), *[bytes(CHUNK)] * 50], taken))
    assert said == "there are bytes behind the end of the gzip body"
    assert len([size for size in taken if size < 0]) == 2


def test_the_loop_turns_while_nothing_comes_out():
    """Blocks of no bytes, or a file's name of megabytes."""
    blocks = GZIP_HEAD + EMPTY_BLOCK * (50 * CHUNK // len(EMPTY_BLOCK))
    pieces = [blocks[start : start + CHUNK] for start in range(0, len(blocks), CHUNK)]
    said, turns = asyncio.run(read(pieces, []))
    assert said == "the gzip body is cut off"
    assert turns >= len(pieces)
