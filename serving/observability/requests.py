"""ASGI's view of requests: each gets an id and a record, and a line in the log once it has ended."""

import logging
from collections.abc import Sequence
from functools import lru_cache

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.observability.logging import REQUEST_ID_HEADER, RequestLine, id_of, request_id
from serving.observability.recorder import Recorder, RequestProtocol, RequestRecord

_PROTOCOLS: dict[str, RequestProtocol] = {
    "/v1/upright": "upright",
    "/v1/predict": "predict",
    "/v1/models/": "predict",
    "/invocations": "predict",
    "/v1/endpoints/": "predict",  # Vertex AI's
    "/v2/models/": "open_inference",
}
RECORD = "loupe_record"
"""Where a scope's state has the record, for a connection that answers in the application's place."""

_ID_HEADER = REQUEST_ID_HEADER.lower().encode()
_access = logging.getLogger("loupe.access")


class RecordRequests:
    """ASGI middleware: gives each request an id, the caller's if it is sane, and a record."""

    def __init__(self, app: ASGIApp, recorder: Recorder) -> None:
        self._app = app
        self._recorder = recorder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request of HTTP."""
        state = scope.setdefault("state", {})
        if RECORD in state:  # refused before it came here
            return
        record = state[RECORD] = begun(scope)
        request_id.set(record.request_id)

        async def send_and_note(message: Message) -> None:
            if message["type"] == "http.response.start":
                if not record.answering:  # else nobody hears it, as the connection has answered
                    record.status, record.answering = message["status"], True
                note_route(record, scope)
                others = [one for one in message.get("headers", ()) if one[0] != _ID_HEADER]
                message = {**message, "headers": [*others, (_ID_HEADER, record.request_id.encode())]}
            await send(message)

        with self._recorder.request(record):
            await self._app(scope, receive, send_and_note)


def begun(scope: Scope) -> RequestRecord:
    """The record of a request whose headers have come."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])}
    return RequestRecord(method=scope["method"], path=scope["path"], headers=headers, request_id=id_of(headers))


def note_route(record: RequestRecord, scope: Scope) -> None:
    """The router writes into the scope what it found; what was refused before it came there has its path alone."""
    record.route = getattr(scope.get("route"), "path", "")
    record.path_model = scope.get("path_params", {}).get("model")
    if record.method == "POST":
        record.protocol = _protocol(record.route or record.path.removeprefix(scope.get("root_path", "")))


@lru_cache
def _protocol(path: str) -> RequestProtocol:
    return next((name for start, name in _PROTOCOLS.items() if path.startswith(start)), "other")


def log_requests(ended: Sequence[RequestRecord]) -> None:
    """Writes a line for each, in one go."""
    if not _access.isEnabledFor(logging.INFO):
        return
    for one in ended:
        if one.path:
            at, duration_ms = one.started_ns / 1e9 + one.duration_s, round(one.duration_s * 1000, 2)
            _access.handle(RequestLine(at, one.method, one.path, one.status, duration_ms, one.request_id))
    for handler in logging.getLogger().handlers:
        handler.flush()
