"""Connection: uvicorn's, with bounds on a request's headers: how many bytes, and how long they may take."""

import asyncio
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from models.errors import HeadersTooLargeError, LoupeError, RequestError, RequestTimeoutError
from serving.errors import STATUSES, error_body

_LINGER_S = 1


class Connection(HttpToolsProtocol):
    """uvicorn ends a connection that is idle after an answer; this one also ends those that never ask whole."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        max_header_bytes: int,
        idle_timeout_s: float,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._max_header_bytes = max_header_bytes
        self._idle_timeout_s = idle_timeout_s
        self._begun = False  # a request whose headers have not all come
        self._refused = False
        self._header_bytes = 0
        self._waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Waits for the first request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Waits no more."""
        super().connection_lost(exc)
        self._stop_waiting()

    def data_received(self, data: bytes) -> None:
        """Refuses headers as soon as there are too many bytes of them, whole or not."""
        if self._refused:
            return
        if self._begun:
            self._header_bytes += len(data)
        super().data_received(data)
        if self._begun and not self._refused:
            self._header_bytes = max(
                self._header_bytes, self._parsed_bytes()
            )  # some came with an earlier request's end
            if self._header_bytes > self._max_header_bytes:
                self._refuse(self._too_large())

    def on_message_begin(self) -> None:
        """Counts from here on."""
        super().on_message_begin()
        self._begun, self._header_bytes = True, 0
        self._wait()

    def on_headers_complete(self) -> None:
        """Starts the request."""
        self._begun = False
        self._stop_waiting()
        self._header_bytes = self._parsed_bytes()
        if self._header_bytes > self._max_header_bytes:
            raise self._too_large()  # which ends up in `send_400_response`
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Called by uvicorn for whatever the parser does not take; its own answer is plain text."""
        if self._header_bytes > self._max_header_bytes:
            self._refuse(self._too_large())
        else:
            self._refuse(RequestError("the bytes are no HTTP request"))

    def _parsed_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _too_large(self) -> HeadersTooLargeError:
        return HeadersTooLargeError(f"the headers have more than the {self._max_header_bytes} bytes that are allowed")

    def _wait(self) -> None:
        self._stop_waiting()
        self._waiting = self.loop.call_later(self._idle_timeout_s, self._give_up)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self) -> None:
        if self._begun:
            self._refuse(RequestTimeoutError(f"the headers did not arrive within {self._idle_timeout_s:g} s"))
        else:
            self.transport.close()

    def _refuse(self, error: LoupeError) -> None:
        """Answers and closes; merely closes where that would get into the answer to an earlier request."""
        self._refused = True
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.close()
            return
        body = error_body(error).model_dump_json().encode()
        head = f"content-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self.transport.write(STATUS_LINE[STATUSES[type(error)]] + head.encode() + body)
        # Closing at once would reset a connection on which more is arriving, and its client never see the answer.
        self.transport.write_eof()
        self.loop.call_later(_LINGER_S, self.transport.close)
