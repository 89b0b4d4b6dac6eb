"""A client that leaves: what is being done for it is given up."""

import asyncio
from typing import Any, cast

from fastapi import Request
from starlette.requests import ClientDisconnect

from serving.http.routes.stream import Incoming

# What is done before is done for nobody just as well: to watch costs 15 us of the event loop, more than half of which
# is to stop watching.
_WATCHED_AFTER_S = 0.02


class while_connected:  # noqa: N801 - read as `async with while_connected(request)`
    """Cancels what is inside when the client leaves; to be entered once the body has been read.

    Raises:
        ClientDisconnect: it left.
    """

    def __init__(self, request: Request | Incoming) -> None:
        self._request = request
        self._left = False
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        """Watches, if it takes long."""
        self._loop, self._task = asyncio.get_running_loop(), cast("asyncio.Task[Any]", asyncio.current_task())
        self._cancelled_before = self._task.cancelling()
        self._begin = self._loop.call_later(_WATCHED_AFTER_S, self._watch)

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Watches no more; as ``asyncio.timeout``, it takes back its own cancellation and nobody else's."""
        self._begin.cancel()
        if self._watching is not None:
            self._watching.cancel()
        if self._left and self._task.uncancel() <= self._cancelled_before and kind is asyncio.CancelledError:
            raise ClientDisconnect from None

    def _watch(self) -> None:
        self._watching = self._loop.create_task(self._await_end())

    async def _await_end(self) -> None:
        while (await self._request.receive())["type"] != "http.disconnect":
            pass
        self._left = True
        self._task.cancel()
