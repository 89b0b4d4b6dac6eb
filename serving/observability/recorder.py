"""Recorder: what became of each request, measured in this one place and told to those who count or trace."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import perf_counter, time_ns
from typing import Literal

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.engine.observer import Observer
from serving.observability.logging import request_id

RequestProtocol = Literal["predict", "upright", "open_inference", "grpc", "other"]
"""``other``: pages, health and control calls, and what reached no route."""

_PROTOCOLS: dict[str, RequestProtocol] = {
    "/v1/upright": "upright",
    "/v1/predict": "predict",
    "/v1/models/": "predict",
    "/invocations": "predict",
    "/v1/endpoints/": "predict",  # Vertex AI's
    "/v2/models/": "open_inference",
}
_SERVER_ERROR = 500

current_record: ContextVar["RequestRecord | None"] = ContextVar("current_record", default=None)
"""The request that is being answered; None outside of requests."""


@dataclass
class RequestRecord:
    """One request, of whatever protocol.

    Attributes:
        protocol: which of the ways to ask.
        route: the path's template, such as ``/v1/models/{model}:predict``; never the path itself.
        status: of HTTP; gRPC's is mapped to it.
        error_type: the class of the error that was answered.
        path_model: the model that the path names, which need not exist.
        versions: the models that were asked, and the version of each.
        stages_s: seconds of receive, decode, preprocess, queue, inference and respond, of those that were reached.
        duration_s: seconds from the request's headers to the last byte of its answer.
        started_ns: when it began, in nanoseconds since 1970.
        request_id: as it is logged.
        headers: what it came with, for whoever continues a trace.
    """

    protocol: RequestProtocol = "other"
    method: str = ""
    route: str = ""
    status: int = _SERVER_ERROR
    error_type: str | None = None
    path_model: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    stages_s: dict[str, float] = field(default_factory=dict)
    duration_s: float = 0.0
    started_ns: int = field(default_factory=time_ns)
    request_id: str = field(default_factory=lambda: request_id.get() or "")
    headers: Mapping[str, str] = field(default_factory=dict)
    _started: float = field(default_factory=perf_counter)
    _answered: float | None = None

    def asked(self, versions: Mapping[str, str]) -> None:
        """The images have arrived; a request may ask more than once, for parts of its images."""
        self.stages_s.setdefault("receive", perf_counter() - self._started)
        self.versions = {**self.versions, **versions}

    def answered(self, stages_s: Mapping[str, float]) -> None:
        """The images are answered."""
        self._answered = perf_counter()
        for stage, seconds in stages_s.items():
            self.stages_s[stage] = max(seconds, self.stages_s.get(stage, 0.0))

    @property
    def passed_s(self) -> float:
        """Seconds since it began, by a clock that nobody can set."""
        return perf_counter() - self._started

    def ended(self) -> None:
        """The last byte has been sent, or nobody is left to take it."""
        now = perf_counter()
        self.duration_s = now - self._started
        if self._answered is not None:
            self.stages_s["respond"] = now - self._answered


class RecordingObserver(Observer):
    """Writes what the engine tells into the record of the request that it works for."""

    def asked(self, versions: Mapping[str, str]) -> None:
        """See Observer."""
        if (record := current_record.get()) is not None:
            record.asked(versions)

    def answered(self, stages_s: Mapping[str, float]) -> None:
        """See Observer."""
        if (record := current_record.get()) is not None:
            record.answered(stages_s)


class Recorder:
    """Keeps a record of each request, and hands it to everyone who wants it when the request ends.

    Attributes:
        in_flight: requests that are being answered.
    """

    def __init__(self, listeners: Sequence[Callable[[RequestRecord], None]]) -> None:
        self.in_flight = 0
        self._listeners = listeners

    @contextmanager
    def request(self, record: RequestRecord) -> Iterator[RequestRecord]:
        """Makes ``record`` the current one; for one thread, the event loop's."""
        self.in_flight += 1
        token = current_record.set(record)
        try:
            yield record
        finally:
            current_record.reset(token)
            self.in_flight -= 1
            self.note(record)

    def note(self, record: RequestRecord) -> None:
        """Tells of a request that has ended, or was never begun with."""
        record.ended()
        for listener in self._listeners:
            listener(record)


class RecordRequests:
    """ASGI middleware: a record for each request."""

    def __init__(self, app: ASGIApp, recorder: Recorder) -> None:
        self._app = app
        self._recorder = recorder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record = RequestRecord(method=scope["method"], headers=Headers(scope=scope))

        async def send_and_note(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                note_route(record, scope)
            await send(message)

        with self._recorder.request(record):
            await self._app(scope, receive, send_and_note)


def note_route(record: RequestRecord, scope: Scope) -> None:
    """The router writes into the scope what it found; what was refused before it came there has its path alone."""
    record.route = getattr(scope.get("route"), "path", "")
    record.path_model = scope.get("path_params", {}).get("model")
    if record.method == "POST":
        path = record.route or scope["path"]
        record.protocol = next((name for start, name in _PROTOCOLS.items() if path.startswith(start)), "other")
