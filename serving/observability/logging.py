"""JSON logs with a request id; never pixels, file names, EXIF or query strings of what people send."""

import json
import logging
import os
import re
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from json.encoder import encode_basestring_ascii as quoted
from random import Random
from typing import ClassVar, TextIO

REQUEST_ID_HEADER = "X-Request-ID"
request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request that is being answered; None outside of requests."""

_access = logging.getLogger("loupe.access")
_ids = Random()  # noqa: S311 - tell requests apart, and guard nothing; the kernel's numbers cost a call of it each
_STDERR = 2
_SANE_ID = re.compile(r"[\w.:/+=-]{1,128}", re.ASCII)
_ENCODE = json.JSONEncoder(default=str).encode


def configure_logging(level: str) -> None:
    """Writes our records from ``level`` on as one JSON line each on stderr; of libraries, no less than warnings.

    Pillow's debug lines hold people's EXIF. The lines go through a descriptor of their own, so that none is lost while
    another thread keeps native code from printing.
    """
    stream = open(os.dup(_STDERR), "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - as long as we are
    handler = _Lines(stream)
    handler.setFormatter(_JsonLines())
    ours = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(level=max(ours, logging.WARNING), handlers=[handler], force=True)
    logging.getLogger("loupe").setLevel(ours)


_RESERVED = frozenset({*vars(logging.makeLogRecord({})), "message", "asctime", "color_message"})  # uvicorn's, in colour


class RequestLine(logging.LogRecord):
    """A request's line; without looking for whoever wrote it, which took longer than all else.

    Attributes:
        method: of HTTP.
        path: without its query.
        status: of the answer.
        duration_ms: until the last byte of the answer.
        request_id: its own.
    """

    _SAME: ClassVar = vars(logging.LogRecord(_access.name, logging.INFO, "", 0, "request", None, None))

    def __init__(self, ended: float, method: str, path: str, status: int, duration_ms: float, request_id: str) -> None:
        """``ended`` in seconds since 1970."""
        vars(self).update(self._SAME)
        self.created, self.method, self.path, self.status = ended, method, path, status
        self.duration_ms, self.request_id = duration_ms, request_id

    @property
    def json(self) -> str:
        """As ``_JsonLines`` would have it."""
        return (
            f'{{"level": "INFO", "logger": "loupe.access", "message": "request", "method": {quoted(self.method)}, '
            f'"path": {quoted(self.path)}, "status": {self.status}, "duration_ms": {self.duration_ms}, '
            f'"request_id": {quoted(self.request_id)}, "time": "{_time(self.created)}"}}'
        )


class _Lines(logging.StreamHandler[TextIO]):
    """Writes out each record at once, but those of requests, which come in blocks, when ``flush`` is called."""

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record, RequestLine):
            self.stream.write(record.json + self.terminator)
        else:
            super().emit(record)


class _JsonLines(logging.Formatter):
    """A record → one line: what it says, with what it was given as ``extra``."""

    def format(self, record: logging.LogRecord) -> str:
        line = {"level": record.levelname, "logger": record.name, "message": record.getMessage()}
        line |= {name: value for name, value in vars(record).items() if name not in _RESERVED}
        if (current := request_id.get()) is not None:
            line["request_id"] = current
        if record.exc_info:
            line["exc_info"] = self.formatException(record.exc_info)
        line["time"] = _time(record.created)
        return _ENCODE(line)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def id_of(headers: Mapping[str, str]) -> str:
    """The caller's id of a request if it is sane, else a new one."""
    given = headers.get("x-request-id", "")
    return given if given and _SANE_ID.fullmatch(given) else f"{_ids.getrandbits(128):032x}"
