"""Connection: uvicorn's, with bounds on a request's headers, and with an end that refused clients live to read."""

import asyncio
from typing import Any, cast

from starlette.types import Scope
from uvicorn.config import Config
from uvicorn.server import ServerState

from models.errors import HeadersTooLargeError, LoupeError, RequestError, RequestTimeoutError
from serving.http.crowd import make_room
from serving.http.framing import Requests, line_of, not_taken, refuse_tricks
from serving.http.lingering import LINGER_BYTES, LINGER_S, most_discarded
from serving.http.refusing import Refusing

# A chunk of one byte has five around it: `1 CRLF a CRLF`. Extensions and trailers have no end by themselves; see
# CVE-2024-22019.
_BYTES_AROUND = 16
_LINE_BYTES = 2048


class Connection(Refusing):
    """uvicorn ends a connection that is idle after an answer; this one also ends those that never ask whole.

    Whoever is refused early may still be sending. Closing then would reset the connection, and a client that reads only
    after it has sent all would lose the answer. So what is on its way is read and thrown away: within bounds.
    """

    parser: Requests  # type: ignore[assignment]

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        max_connections: int,
        max_header_bytes: int,
        header_timeout_s: float,
        idle_timeout_s: float,
        body_timeout_s: float,
        **paced: Any,  # noqa: ANN401 - what Refusing takes
    ) -> None:
        super().__init__(config, server_state, app_state, _loop, **paced)
        self.parser = Requests(self)
        self.idle_since: float | None = None
        self._max_connections = max_connections
        self._max_header_bytes = max_header_bytes
        self._header_timeout_s = header_timeout_s
        self._idle_timeout_s = idle_timeout_s
        self._body_timeout_s = body_timeout_s
        self._begun = False  # a request whose headers have not all come
        self._arriving = False  # a request whose headers have come, and whose body has not
        self._lingering = False
        self._header_bytes = 0
        self._framing_bytes = 0  # of a body that has not all come: chunks' sizes and extensions, trailers
        self._discarded_bytes = self._body_from = 0
        self._refusal: LoupeError | None = None
        self._first_bytes = b""  # of a request that the parser may not take
        self._declared_bytes: int | None = None
        self._body_until = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Waits for the first request."""
        super().connection_made(transport)
        self._idle()
        make_room(self.connections, self._max_connections)  # type: ignore[arg-type]  # all of them are of this class

    def data_received(self, data: bytes) -> None:
        """Refuses headers as soon as there are too many bytes of them, whole or not."""
        if self._lingering or self._answered_early():
            self._discarded_bytes += len(data)
            if self._discarded_bytes > most_discarded(self._declared_bytes, self._received_bytes - self._body_from):
                self.transport.close()
        if self._lingering or self.transport.is_closing():
            return
        if self._begun:
            self._header_bytes += len(data)
        elif self._arriving:
            self._framing_bytes += len(data)
        self._first_bytes = b"" if self._begun or self._arriving else data[:_LINE_BYTES]
        super().data_received(data)
        if self._arriving and not self._answered_early():
            self._read_on()
        if self._framing_bytes > self._max_header_bytes:
            self._refuse(RequestError("the body's chunks have more around them than in them"))
        elif self._begun and not self._lingering:
            self._await_headers()

    def on_message_begin(self) -> None:
        """Counts from here on."""
        super().on_message_begin()
        self._begun, self._header_bytes, self.idle_since = True, 0, None
        self._stop_waiting()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Leaves out trailers: behind the body they would change what has been looked at."""
        if self._begun:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Starts the request, unless it is refused: what is raised here ends up in ``send_400_response``."""
        self._begun, self._first_bytes = False, b""
        self._stop_waiting()
        self._check_head()
        if (refused := self._refused_at_once()) is None:
            super().on_headers_complete()
        self._arriving, self._framing_bytes, self._discarded_bytes = True, 0, 0
        self._body_from = self._received_bytes
        self._declared_bytes = next((int(value) for name, value in self.headers if name == b"content-length"), None)
        self._body_until = self.loop.time() + self._body_timeout_s
        if refused is not None:
            self._tell_at_once(refused)

    def _body_came(self, body: bytes) -> None:
        """Counts what is no framing; a chunk of a few bytes has as many around it."""
        self._framing_bytes = max(0, self._framing_bytes - _BYTES_AROUND * len(body))
        super()._body_came(body)

    def on_message_complete(self) -> None:
        """After an early answer, the next request is waited for from here on; uvicorn would wait for ever."""
        if self.parser.offered:
            return
        super().on_message_complete()
        if self._answered_early():
            self._idle()
        self._arriving, self._framing_bytes = False, 0

    def on_response_complete(self) -> None:
        """Waits for the next request, or for the rest of a body that was answered early.

        uvicorn's own timer ends with the next byte, even if that begins no request.
        """
        super().on_response_complete()
        self._unset_keepalive_if_required()
        if self._lingering:
            self._read_rest()
        if self._answered_early():
            self._reading.stop()
            self.cycle.body = bytearray()
            if (self._declared_bytes or 0) > LINGER_BYTES:
                self._linger()
        if not (self._lingering or self._begun or self.transport.is_closing()) and self.cycle.response_complete:
            self._idle()

    def shutdown(self) -> None:
        """Leaves a client that was refused the time to hear of it."""
        if self._answered_early():
            self._linger()
        elif not self._lingering:
            super().shutdown()

    def send_400_response(self, msg: str) -> None:
        """Called by uvicorn for whatever the parser does not take; its own answer is plain text."""
        self._take_body()
        self._refuse(self._refusal or not_taken(line_of(self._first_bytes)))

    def _await_headers(self) -> None:
        """There are some, and more will come: within bounds."""
        self._header_bytes = max(self._header_bytes, self._parsed_bytes())  # some came with an earlier request's end
        if self._header_bytes > self._max_header_bytes:
            self._refuse(self._too_large())
        elif self._waiting is None:
            self._wait(self._header_timeout_s)

    def _check_head(self) -> None:
        self._header_bytes, version = self._parsed_bytes(), self.parser.get_http_version()
        try:
            if self._header_bytes > self._max_header_bytes:
                raise self._too_large()
            refuse_tricks(self.parser.get_method().decode(), version, self.url, self.headers)
        except LoupeError as error:
            self._refusal = error
            raise
        self.expect_100_continue &= version != "1.0"  # which knows no answer before the answer

    def _parsed_bytes(self) -> int:
        return len(self.url) + sum([len(name) + len(value) + 4 for name, value in self.headers])

    def _too_large(self) -> HeadersTooLargeError:
        return HeadersTooLargeError(f"the headers have more than the {self._max_header_bytes} bytes that are allowed")

    def _answered_early(self) -> bool:
        return self._arriving and self.cycle.response_complete

    def _idle(self) -> None:
        self.idle_since = self.loop.time()
        self._wait(self._idle_timeout_s)

    def _give_up(self) -> None:
        if self._begun and self.flow.read_paused:  # by us, as earlier requests are still being answered
            self._wait(self._header_timeout_s)
        elif self._begun and not self._lingering:
            self._refuse(RequestTimeoutError(f"the headers did not arrive within {self._header_timeout_s:g} s"))
        elif self.transport.get_write_buffer_size():
            self.transport.abort()  # nobody reads; a close would wait for that
        else:
            self.transport.close()

    def _refuse(self, error: LoupeError) -> None:
        """Answers and closes; merely closes where that would get into the answer to an earlier request."""
        self._flush()
        if self._answering():
            self.transport.close()
            return
        if self._arriving:  # to the application, a client whose body turns out to be none has left
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        scope = cast(Scope, self.cycle.scope) if self._arriving else None
        self.transport.write(self._told(error, line_of(self._first_bytes), scope))
        self._linger()

    def _answering(self) -> bool:
        """Whether bytes of an answer are on their way, or will be: for an earlier request, or for this one."""
        if self.cycle is None or (self.cycle.response_complete and not self._arriving):
            return False
        return bool(self.cycle.response_started or self.pipeline or not self._arriving)

    def _close(self) -> None:
        lingers = self._arriving and not self.transport.is_closing()
        self._linger() if lingers else self.transport.close()

    def _linger(self) -> None:
        """Says that nothing more will come, and reads on for as long as a body that is not refused might arrive."""
        self._lingering, self._arriving = True, False
        self.pipeline.clear()
        if self.cycle is not None:
            self.cycle.body = bytearray()
        self._reading.stop()
        self._flush()
        self.transport.write_eof()
        self._read_rest()

    def _read_rest(self) -> None:
        if (self._declared_bytes or 0) > LINGER_BYTES:
            self.flow.pause_reading()
            self._wait(LINGER_S)
        else:
            self.flow.resume_reading()
            self._wait(max(LINGER_S, self._body_until - self.loop.time()))
