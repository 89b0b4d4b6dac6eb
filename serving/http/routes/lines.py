"""``application/x-ndjson``: one line a photo, in their order, each as soon as it and those before it are answered.

Each line is what the same call answers to that photo alone.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import ExitStack

from fastapi import Request
from pydantic_core import to_json

from models.errors import LoupeError
from serving.http.errors import error_body
from serving.http.routes.holding import HoldingResponse
from serving.http.routes.stream import Incoming
from serving.service.answers import Answer, Answers

NDJSON = "application/x-ndjson"
_NAMES = (NDJSON, "application/ndjson", "application/jsonl", "application/jsonlines")
"""The last is SageMaker's. There is no registered name."""


def wants_lines(request: Request | Incoming) -> bool:
    """Whether the caller accepts lines."""
    asked = request.headers.get("accept", "").lower()
    return "json" in asked and any(name in asked for name in _NAMES)


class Lines:
    """Answers in the order in which they come → lines in the order of the images."""

    def __init__(self, write: Callable[[int, Answer], bytes]) -> None:
        """``write`` makes a line of an image's number and answer."""
        self._write = write
        self._early: dict[int, Answer] = {}
        self._next = 0
        self._ready = asyncio.Queue[bytes | None]()

    def tell(self, index: int, answer: Answer) -> None:
        """An image is answered; in the event loop."""
        self._early[index] = answer
        while self._next in self._early:
            self._ready.put_nowait(self._write(self._next, self._early.pop(self._next)))
            self._next += 1

    async def of(self, answering: Awaitable[Answers]) -> AsyncGenerator[bytes, None]:
        """Yields the lines of images that are being answered; what fails after the first is the last line.

        Raises:
            LoupeError: it failed before the first.
        """
        task = asyncio.ensure_future(answering)
        task.add_done_callback(lambda _: self._ready.put_nowait(None))
        begun = False
        try:
            while (line := await self._ready.get()) is not None:
                begun = True
                yield line + b"\n"
            await task
        except LoupeError as error:
            if not begun:
                raise
            yield to_json(error_body(error)) + b"\n"
        finally:
            task.cancel()


class LinesResponse(HoldingResponse):
    """Sends lines, the first of which is there."""

    def __init__(self, first: bytes, rest: AsyncGenerator[bytes, None], kept: ExitStack) -> None:
        super().__init__(_joined(first, rest), kept, NDJSON)


async def _joined(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    yield first
    async for line in rest:
        yield line
