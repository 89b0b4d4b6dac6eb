"""Answers that are sent piece by piece, and give back at the end what was kept for them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send


class HoldingResponse(StreamingResponse):
    """One of these: ``kept`` is what is given back, however the sending ends."""

    def __init__(
        self,
        content: AsyncIterator[bytes | memoryview],
        kept: ExitStack,
        media_type: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(content, headers=headers, media_type=media_type)
        self._kept = kept

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it."""
        with self._kept:
            await super().__call__(scope, receive, send)
