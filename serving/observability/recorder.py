"""Recorder: what became of each request, measured in this one place and told to those who count or trace."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from time import perf_counter, time_ns
from typing import Literal

from serving.engine.observer import Observer
from serving.observability.logging import request_id

RequestProtocol = Literal["predict", "upright", "open_inference", "grpc", "other"]
"""``other``: pages, health and control calls, and what reached no route."""

_TOLD_EVERY_S = 0.1
_SERVER_ERROR = 500

current_record: ContextVar["RequestRecord | None"] = ContextVar("current_record", default=None)
"""The request that is being answered; None outside of requests."""


@dataclass(slots=True)
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
        answering: whether the answer has begun.
        path: without its query, for the log; empty where whoever answers writes the line.
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
    path: str = ""
    answering: bool = False
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


Listener = Callable[[Sequence[RequestRecord]], None]
"""Wants the records of requests that have ended, in the order in which they did."""


class Recorder:
    """Keeps a record of each request, and hands those that have ended to everyone who wants them.

    In blocks, ten times a second: each by itself had to find all that counting and writing need in a core's caches
    again, and let the interpreter go for its line, which took a fifth of the event loop's time.

    Attributes:
        in_flight: requests that are being answered.
    """

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self.in_flight = 0
        self._listeners = listeners
        self._ended: list[RequestRecord] = []
        self._told_in: asyncio.AbstractEventLoop | None = None

    def request(self, record: RequestRecord) -> "_Recording":
        """Inside of it, ``record`` is the current one; for one thread, the event loop's."""
        return _Recording(self, record)

    def note(self, record: RequestRecord) -> None:
        """Takes a request that has ended, or was never begun with."""
        record.ended()
        self._ended.append(record)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.tell()
            return
        if self._told_in is not loop:
            self._told_in = loop
            loop.call_later(_TOLD_EVERY_S, self.tell)

    def tell(self) -> None:
        """Hands over what has ended by now."""
        ended, self._ended, self._told_in = self._ended, [], None
        if ended:
            for listener in self._listeners:
                listener(ended)


class _Recording:
    """No generator under ``contextmanager``, which costs four times as much."""

    __slots__ = ("_record", "_recorder", "_token")

    def __init__(self, recorder: Recorder, record: RequestRecord) -> None:
        self._recorder, self._record = recorder, record
        self._token: Token[RequestRecord | None] | None = None

    def __enter__(self) -> RequestRecord:
        self._recorder.in_flight += 1
        self._token = current_record.set(self._record)
        return self._record

    def __exit__(self, *_: object) -> None:
        assert self._token is not None  # noqa: S101 - it was entered
        current_record.reset(self._token)
        self._recorder.in_flight -= 1
        self._recorder.note(self._record)
