"""Paced: uvicorn's connection, with an end for bodies and answers that hardly move."""

import asyncio
from abc import abstractmethod
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from models.errors import LoupeError, RequestTimeoutError
from serving.http.pace import LEAST_BYTES_PER_S, Outgoing, Pace


class Paced(HttpToolsProtocol):
    """Watches one body or answer at a time; what it is to do with a slow one is told by whoever derives from it."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        read_timeout_s: float,
        write_timeout_s: float,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._received_bytes = 0
        self._pieces: list[bytes] = []
        self._reading = Pace(self.loop, read_timeout_s)
        self._writing = Pace(self.loop, write_timeout_s)
        self._outgoing: Outgoing | None = None
        self._waiting: asyncio.TimerHandle | None = None

    @abstractmethod
    def _refuse(self, error: LoupeError) -> None:
        """Answers and closes."""

    @abstractmethod
    def _give_up(self) -> None:
        """Called where what was waited for has not come."""

    @abstractmethod
    def _close(self) -> None:
        """Called where uvicorn ends the connection after an answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins."""
        super().connection_made(transport)
        self._outgoing = Outgoing(transport, self._close, self.loop)

    def connection_lost(self, exc: Exception | None) -> None:
        """Lets go of what holds it, else each would be there until garbage is collected."""
        super().connection_lost(exc)
        self._reading.stop()
        self._writing.stop()
        self._stop_waiting()
        self._outgoing = None
        if self.cycle is not None:
            self.cycle.transport = self.transport

    def data_received(self, data: bytes) -> None:
        """Counts."""
        self._received_bytes += len(data)
        super().data_received(data)
        self._take_body()

    def on_headers_complete(self) -> None:
        """Sends the answer through what counts it."""
        super().on_headers_complete()
        self.cycle.transport = self._outgoing or self.transport
        self.cycle.body = b""  # type: ignore[assignment]  # see on_body

    def on_body(self, body: bytes) -> None:
        """Gathers what has come: 256 kB may be 43,000 chunks of a byte, and go through uvicorn as one."""
        self._pieces.append(body)

    def _take_body(self) -> None:
        if self._pieces:
            pieces, self._pieces = self._pieces, []
            self._body_came(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def _body_came(self, body: bytes) -> None:
        """A body that comes in one piece is copied neither in nor out, and the pieces of others once each."""
        if self.cycle.body and not isinstance(self.cycle.body, bytearray):
            self.cycle.body = bytearray(self.cycle.body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The body is there."""
        self._take_body()
        super().on_message_complete()
        self._reading.stop()

    def pause_writing(self) -> None:
        """The client takes an answer more slowly than it is made."""
        super().pause_writing()
        if self._outgoing is not None:
            self._writing.start(self._sent, self._outgoing.cut)

    def resume_writing(self) -> None:
        """It has taken what there was."""
        super().resume_writing()
        self._writing.stop()

    def shutdown(self) -> None:
        """Closes, unless an answer is under way; one that is done has to be sent first."""
        self._flush()
        super().shutdown()

    def _flush(self) -> None:
        if self._outgoing is not None:
            self._outgoing.flush()

    def _wait(self, seconds: float) -> None:
        self._stop_waiting()
        self._waiting = self.loop.call_later(seconds, self._give_up)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _read_on(self) -> None:
        """A body has begun, and there is more of it."""
        self._reading.start(self._received, self._too_slow)

    def _received(self) -> int:
        return self._received_bytes

    def _sent(self) -> int:
        return 0 if self._outgoing is None else self._outgoing.arrived

    def _too_slow(self) -> None:
        """A body; unless it is not read here, as an earlier request is still being answered."""
        if self.flow.read_paused:
            self._read_on()
            return
        least = f"{LEAST_BYTES_PER_S} bytes a second within {self._reading.window_s:g} s"
        self._refuse(RequestTimeoutError(f"the body arrived with less than {least}"))
