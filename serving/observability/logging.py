"""JSON logs with a request id; never pixels, file names, EXIF or query strings of what people send."""

import json
import logging
import os
import re
from contextvars import ContextVar
from datetime import UTC, datetime
from random import Random
from time import perf_counter

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUEST_ID_HEADER = "X-Request-ID"
request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request that is being answered; None outside of requests."""

_log = logging.getLogger("loupe.access")
_ids = Random()  # noqa: S311 - tell requests apart, and guard nothing; the kernel's numbers cost a call of it each
_STDERR = 2
_SANE_ID = re.compile(r"[\w.:/+=-]{1,128}", re.ASCII)
_ENCODE = json.JSONEncoder(default=str).encode


def configure_logging(level: str) -> None:
    """Writes our records from ``level`` on as one JSON line each on stderr; of libraries, no less than warnings.

    Pillow's debug lines hold people's EXIF. The lines go through a descriptor of their own, so that none is lost while
    another thread keeps native code from printing.
    """
    stream = open(os.dup(_STDERR), "w", buffering=1, encoding="utf-8", closefd=False)  # noqa: SIM115 - as long as we are
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_JsonLines())
    ours = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(level=max(ours, logging.WARNING), handlers=[handler], force=True)
    logging.getLogger("loupe").setLevel(ours)


_RESERVED = frozenset({*vars(logging.makeLogRecord({})), "message", "asctime", "color_message"})  # uvicorn's, in colour


class _JsonLines(logging.Formatter):
    """A record → one line: what it says, with what it was given as ``extra``."""

    def format(self, record: logging.LogRecord) -> str:
        line = {"level": record.levelname, "logger": record.name, "message": record.getMessage()}
        line |= {name: value for name, value in vars(record).items() if name not in _RESERVED}
        if (current := request_id.get()) is not None:
            line["request_id"] = current
        if record.exc_info:
            line["exc_info"] = self.formatException(record.exc_info)
        line["time"] = datetime.fromtimestamp(record.created, UTC).isoformat()
        return _ENCODE(line)


def id_of(headers: Headers) -> str:
    """The caller's id of a request if it is sane, else a new one."""
    given = headers.get(REQUEST_ID_HEADER, "")
    return given if _SANE_ID.fullmatch(given) else f"{_ids.getrandbits(128):032x}"


def log_request(scope: Scope, status: int, started: float) -> None:
    """Writes a request's one line; ``started`` is the ``perf_counter()`` at which it came."""
    duration_ms = round((perf_counter() - started) * 1000, 2)
    fields = {"method": scope["method"], "path": scope["path"], "status": status, "duration_ms": duration_ms}
    if _log.isEnabledFor(logging.INFO):
        record = logging.LogRecord(_log.name, logging.INFO, "", 0, "request", None, None)  # looks for no caller's line
        vars(record).update(fields)
        _log.handle(record)


class RequestLog:
    """ASGI middleware: gives each request an id, the caller's if it is sane, and logs one line for it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id.set(current := id_of(Headers(scope=scope)))
        started, status = perf_counter(), 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = current
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            log_request(scope, status, started)
