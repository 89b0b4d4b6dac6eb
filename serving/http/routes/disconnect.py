"""A client that leaves: what is being done for it is given up."""

import asyncio

from fastapi import Request
from starlette.requests import ClientDisconnect

from serving.engine.interruption import Interruption
from serving.http.routes.stream import Incoming

# What is done before is done for nobody just as well: to watch, and to stop watching, costs as much as to read a body.
_WATCHED_AFTER_S = 0.1


class while_connected(Interruption):  # noqa: N801 - read as `with while_connected(request)`
    """Cancels what is inside when the client leaves; to be entered once the body has been read.

    Raises:
        ClientDisconnect: it left.
    """

    def __init__(self, request: Request | Incoming) -> None:
        self._request = request
        self._watching: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        """Watches, if it takes long."""
        super().__enter__()
        self._begin = self._loop.call_later(_WATCHED_AFTER_S, self._watch)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Watches no more."""
        self._begin.cancel()
        if self._watching is not None:
            self._watching.cancel()
        if self.has_ended(kind):
            raise ClientDisconnect from None

    def _watch(self) -> None:
        self._watching = self._loop.create_task(self._await_end())

    async def _await_end(self) -> None:
        while (await self._request.receive())["type"] != "http.disconnect":
            pass
        self.end()
