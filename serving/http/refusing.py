"""Refusing: a full house says so at the socket, as at ten times what it can do, saying so is most of its work.

As an ASGI application a refusal took 0.40 ms of a core, so 1,200 of them a second took half a core. A connection that
has answered before refuses before uvicorn makes anything of the request.
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from starlette.types import Scope
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle
from uvicorn.server import ServerState

from models.errors import LoupeError
from serving.http.errors import STATUSES, error_json, headers_of
from serving.http.framing import Line
from serving.http.other_origins import OtherOrigins
from serving.http.paced import Paced
from serving.observability.logging import REQUEST_ID_HEADER
from serving.observability.recorder import Recorder, RequestRecord
from serving.observability.requests import RECORD, begun, note_route
from serving.service import PredictionService

PREDICTING = (":predict", ":explain", ":feedback", "/v1/predict", "/infer", "/v1/upright", "/invocations")
"""Ends of the paths of calls that hold images."""

Refuse = Callable[[Scope], tuple[dict[str, str], bytes] | None]
"""A request's scope → the headers and the body of its refusal, if it is refused."""

_LONGEST_PATH = 2048  # in the log, of what may be as large as a body
_NO_LINE = Line("-", b"-")
_CLOSE = (b"connection", b"close")


Note = Callable[[Scope, LoupeError], RequestRecord]
"""Counts and logs that a request was refused as if it had come further; of its scope, method, path and headers."""


def noting(recorder: Recorder, root_path: str = "") -> Note:
    """``root_path``: what a proxy may leave before the paths."""

    def note(scope: Scope, error: LoupeError) -> RequestRecord:
        record = begun(scope)
        record.status, record.error_type = STATUSES[type(error)], type(error).__name__
        note_route(record, {"root_path": root_path})
        recorder.note(record)
        return record

    return note


def refusal(service: PredictionService, note: Note) -> Refuse:
    """Refuses what nobody could be let in with now."""

    def passed() -> None:
        service.admission.passing -= 1

    def refuse(scope: Scope) -> tuple[dict[str, str], bytes] | None:
        if scope["method"] != "POST" or not scope["path"].endswith(PREDICTING):
            return None
        if (error := service.admission.full()) is None:
            service.admission.passing += 1
            asyncio.get_running_loop().call_soon(passed)  # its task's first step, which looks again, comes next
            return None
        return {REQUEST_ID_HEADER: note(scope, error).request_id, **headers_of(error)}, error_json(error)

    return refuse


class Refusing(Paced):
    """Asks before each request whether it is refused; its body is then thrown away as that of any early answer."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        refuse: Refuse,
        note: Note,
        other_origins: OtherOrigins,
        **timeouts_s: float,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop, **timeouts_s)
        self._refusal_of, self._note = refuse, note
        self._other_origins = other_origins
        self._asked = False

    def _refused_at_once(self) -> bytes | None:
        """The rest of a refusal that needs no cycle of its own, as the connection's last one has ended."""
        if self.cycle is None or not self.cycle.response_complete:
            return None
        self._asked = True
        refused = self._refusal_of(self._head())  # a path with escapes is looked at once they are undone
        return None if refused is None else self._rest_of_answer(*refused)

    def _head(self, line: Line | None = None) -> Scope:
        """What has come of a request; ``line`` is its first one, where the parser did not take that."""
        if self.url:
            line = Line(self.parser.get_method().decode(), self.url)
        method, target = line or _NO_LINE
        path = target.partition(b"?")[0][:_LONGEST_PATH].decode("latin-1")
        return {"method": method, "path": path, "headers": self.headers or []}

    def _told(self, error: LoupeError, line: Line | None, scope: Scope | None) -> bytes:
        """The answer to what the connection itself refuses; ``scope``: of the request that the application has."""
        state = {} if scope is None else scope["state"]
        if (record := state.get(RECORD)) is None:
            record = state[RECORD] = self._note(self._head(line), error)
        record.status, record.error_type, record.answering = STATUSES[type(error)], type(error).__name__, True
        told = {REQUEST_ID_HEADER: record.request_id, "connection": "close"}
        return STATUS_LINE[record.status] + self._rest_of_answer(told, error_json(error))

    def _tell_at_once(self, refused: bytes) -> None:
        self.cycle.keep_alive = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
        self._answer_early(self.cycle, refused)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401 - uvicorn's ASGI type
        refused = None if self._asked else self._refusal_of(cast(Scope, cycle.scope))
        self._asked = False
        if refused is None:
            super()._start_asgi_task(cycle, app)
        else:
            self.loop.call_soon(self._answer_early, cycle, self._rest_of_answer(*refused))

    def _rest_of_answer(self, told: dict[str, str], body: bytes) -> bytes:
        """What follows the status: headers, those for pages of other origins too, and the body, which is JSON."""
        told |= self._other_origins.headers(self.headers or [])  # none, where not even a line was read
        told |= {"content-type": "application/json", "content-length": str(len(body))}
        return "".join(f"{name.lower()}: {value}\r\n" for name, value in told.items()).encode() + b"\r\n" + body

    def _answer_early(self, cycle: RequestResponseCycle, refused: bytes) -> None:
        """Once uvicorn is done with the request's head."""
        if cycle.disconnected or self.transport.is_closing() or self._outgoing is None:
            return
        default = self.server_state.default_headers
        cycle.keep_alive &= _CLOSE not in default
        told = default if cycle.keep_alive else [*(one for one in default if one != _CLOSE), _CLOSE]
        head = b"".join(b"%b: %b\r\n" % one for one in told)
        self._outgoing.write(STATUS_LINE[429] + head + refused)
        cycle.response_started = cycle.response_complete = True
        cycle.body = bytearray()
        if not cycle.keep_alive:
            self._outgoing.close()
        self.on_response_complete()
