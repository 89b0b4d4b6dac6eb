"""A client that leaves: what is being done for it is given up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request
from starlette.requests import ClientDisconnect


@asynccontextmanager
async def while_connected(request: Request) -> AsyncIterator[None]:
    """Cancels what is inside when the client leaves; to be entered once the body has been read.

    Raises:
        ClientDisconnect: it left.
    """
    try:
        async with asyncio.timeout(None) as patience:
            watching = asyncio.create_task(_watch(request, patience))
            try:
                yield
            finally:
                watching.cancel()
    except TimeoutError:
        raise ClientDisconnect from None


async def _watch(request: Request, patience: asyncio.Timeout) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    patience.reschedule(asyncio.get_running_loop().time())
