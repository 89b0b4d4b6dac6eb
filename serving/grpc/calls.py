"""Every gRPC call: keys, error class → status code, and the record, request id and log line that HTTP has too."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from math import ceil
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import grpc

from models.errors import (
    DeadlineExceededError,
    ForbiddenError,
    ImageError,
    InvalidModelError,
    LoupeError,
    ModelNotFoundError,
    NotReadyError,
    QueueFullError,
    RequestError,
    RequestTimeoutError,
    StoreError,
    UnauthorizedError,
)
from serving.access.callers import network_of
from serving.access.keys import ApiKeys
from serving.engine.budget import Budget, Caller, caller
from serving.grpc.arriving import Arriving
from serving.observability.logging import request_id
from serving.observability.recorder import Recorder, RequestRecord
from serving.service import PredictionService


class _UnknownCallError(RequestError):
    """There is no such call."""


CODES: Mapping[type[LoupeError], tuple[grpc.StatusCode, int]] = {
    _UnknownCallError: (grpc.StatusCode.UNIMPLEMENTED, 404),
    ImageError: (grpc.StatusCode.INVALID_ARGUMENT, 400),
    RequestError: (grpc.StatusCode.INVALID_ARGUMENT, 400),
    RequestTimeoutError: (grpc.StatusCode.DEADLINE_EXCEEDED, 408),
    InvalidModelError: (grpc.StatusCode.INVALID_ARGUMENT, 400),
    UnauthorizedError: (grpc.StatusCode.UNAUTHENTICATED, 401),
    ForbiddenError: (grpc.StatusCode.PERMISSION_DENIED, 403),
    ModelNotFoundError: (grpc.StatusCode.NOT_FOUND, 404),
    QueueFullError: (grpc.StatusCode.RESOURCE_EXHAUSTED, 429),
    NotReadyError: (grpc.StatusCode.UNAVAILABLE, 503),
    StoreError: (grpc.StatusCode.UNAVAILABLE, 503),
    DeadlineExceededError: (grpc.StatusCode.DEADLINE_EXCEEDED, 504),
}
"""gRPC's code, and HTTP's status for the metrics; a class that is not here has its nearest ancestor's."""

_OK = (grpc.StatusCode.OK, 200)
_CANCELLED = (grpc.StatusCode.CANCELLED, 499)
_OUR_FAULT = (grpc.StatusCode.INTERNAL, 500)
_OPEN = (
    "/grpc.health.v1.Health/",
    "/inference.GRPCInferenceService/ServerLive",
    "/inference.GRPCInferenceService/ServerReady",
)
SPARE_CALLS = 64
"""Calls that hold no image: health, metadata."""

_SPARE_PERCENT = 25

# Probes and load balancers watch with one stream each, for ever: without a bound of their own, 320 were all calls.
_WATCHES, _WATCHES_PERCENT = 64, 12.5
_REFLECTIONS, _REFLECTIONS_PERCENT = 4, 50
_INFER = "/inference.GRPCInferenceService/ModelInfer"
_log = logging.getLogger("loupe.access")
_faults = logging.getLogger("loupe.grpc")

_Call = Callable[[Any, Any], Awaitable[Any]]


class Calls(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # grpcio ships no types
    """Wraps each call; those that may last for ever, health's ``Watch`` and reflection, are few at a time."""

    def __init__(self, service: PredictionService, recorder: Recorder, keys: ApiKeys | None) -> None:
        settings = service.settings
        self._service = service
        self._recorder = recorder
        self._keys = keys
        self._arriving = Arriving(service.bodies, settings, self._most_pixels)
        most = settings.max_queued_images + SPARE_CALLS
        self._calls = Budget(most, "calls", settings.max_caller_percent)
        self._spare_calls = Budget(SPARE_CALLS, "calls without images", _SPARE_PERCENT)
        self._streams = {
            True: Budget(_WATCHES, "watches", _WATCHES_PERCENT),
            False: Budget(_REFLECTIONS, "reflections", _REFLECTIONS_PERCENT),
        }

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], details: grpc.HandlerCallDetails
    ) -> Any:  # noqa: ANN401
        """Finds the call's handler and wraps it."""
        handler = await continuation(details)
        headers = {name: value for name, value in details.invocation_metadata or () if isinstance(value, str)}
        try:
            self._check_key(details.method, headers)
        except UnauthorizedError as error:
            return grpc.stream_unary_rpc_method_handler(self._refusing(error, details.method, headers))
        if handler is None:
            return grpc.stream_unary_rpc_method_handler(
                self._refusing(_unknown(details.method), details.method, headers)
            )
        if not handler.unary_unary:
            watch = self._streaming(handler, details.method, headers)
            deserializer = None if handler.unary_stream else handler.request_deserializer
            return grpc.stream_stream_rpc_method_handler(watch, deserializer, handler.response_serializer)
        # On the wire one message is a stream of one, but a stream's message is not received before it is asked for.
        return grpc.stream_unary_rpc_method_handler(
            self._answering(handler, details.method, headers), None, handler.response_serializer
        )

    def _most_pixels(self) -> int:
        versions = (one for model in self._service.models.values() for one in model.versions.values())
        most = max((one.pixel_bytes for one in versions), default=0)
        return most * self._service.settings.max_request_images

    def _check_key(self, method: str, headers: Mapping[str, str]) -> None:
        """Tells of a caller too, if a key does; else his address will."""
        if self._keys is not None and not method.startswith(_OPEN):
            caller.set(Caller(self._keys.check(headers)))

    def _answering(self, handler: Any, method: str, headers: Mapping[str, str]) -> _Call:  # noqa: ANN401
        kind, small = handler.request_deserializer.__self__, method != _INFER

        async def answer(messages: AsyncIterator[bytes], context: Any) -> Any:  # noqa: ANN401
            try:
                async with (
                    self._recorded(method, headers, context) as record,
                    self._arriving.message(messages, kind, small=small) as request,
                ):
                    record.path_model = None if small else request.model_name
                    answering = handler.unary_unary(request, context)
                    del request  # so that it goes as soon as it has been read
                    return await answering
            except Exception as error:
                failure = _failure(error)
            # Here, as gRPC keeps what is raised, and with its context every photo of the call.
            return await context.abort(*failure)

        return answer

    def _streaming(self, handler: Any, method: str, headers: Mapping[str, str]) -> Any:  # noqa: ANN401
        """Not recorded, as it may last for days; its one message, if there is but one, arrives as every other."""

        async def stream(messages: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:  # noqa: ANN401
            try:
                self._name_caller(context)
                with self._streams[bool(handler.unary_stream)].lease() as take:
                    take(1)
                    if not handler.unary_stream:
                        async for answer in handler.stream_stream(messages, context):
                            yield answer
                        return
                    kind = handler.request_deserializer.__self__
                    async with self._arriving.message(messages, kind, small=True) as request:
                        pass
                    async for answer in handler.unary_stream(request, context):
                        yield answer
                return
            except LoupeError as error:
                failure = _failure(error)
            await context.abort(*failure)

        return stream

    def _name_caller(self, context: Any) -> None:  # noqa: ANN401
        if caller.get() is None:
            address = context.peer().partition(":")[2].rpartition(":")[0]
            caller.set(Caller(network_of(unquote(address).strip("[]"))))

    def _refusing(self, error: LoupeError, method: str, headers: Mapping[str, str]) -> _Call:
        async def refuse(_: object, context: Any) -> None:  # noqa: ANN401
            try:
                async with self._recorded(method, headers, context):
                    raise error
            except LoupeError:
                failure = _failure(error)
            await context.abort(*failure)

        return refuse

    @asynccontextmanager
    async def _recorded(
        self,
        method: str,
        headers: Mapping[str, str],
        context: Any,  # noqa: ANN401
    ) -> AsyncIterator[RequestRecord]:
        """A call's record, its line in the log and, if it fails, its status."""
        request_id.set(uuid4().hex)
        code = _CANCELLED
        record = RequestRecord("grpc" if method == _INFER else "other", "POST", method, headers=headers)
        with self._recorder.request(record):
            try:
                self._name_caller(context)
                if method == _INFER:
                    self._service.refuse_if_full()
                with (self._calls if method == _INFER else self._spare_calls).lease() as take:
                    take(1)
                    yield record
                code = _OK
            except Exception as error:
                code, record.error_type = _code(error), type(error).__name__
                raise
            finally:
                record.status = code[1]
                _log_call(record, code[0])


def _unknown(method: str) -> LoupeError:
    return _UnknownCallError(
        f"Loupe does not offer {method[:200]}; ServerMetadata names the extensions that it has, reflection all calls"
    )


def _log_call(record: RequestRecord, code: grpc.StatusCode) -> None:
    duration_ms = round(1000 * record.passed_s, 2)
    fields = {"method": "gRPC", "path": record.route, "status": code.name, "duration_ms": duration_ms}
    _log.info("request", extra=fields)


def _code(error: Exception) -> tuple[grpc.StatusCode, int]:
    return next((CODES[class_] for class_ in type(error).__mro__ if class_ in CODES), _OUR_FAULT)


def _failure(error: Exception) -> tuple[grpc.StatusCode, str, tuple[tuple[str, str], ...]]:
    """What a caller is told; a traceback is for the log, if the fault is ours, and the id leads there."""
    sentence = str(error)
    if not isinstance(error, LoupeError):
        _faults.error("a call failed", exc_info=error)
        sentence = f"the service made a mistake; its log has it under the request id {request_id.get()}"
    return _code(error)[0], sentence, _trailers(error)


def _trailers(error: Exception) -> tuple[tuple[str, str], ...]:
    """What Retry-After is to HTTP."""
    if not isinstance(error, QueueFullError):
        return ()
    return (("grpc-retry-pushback-ms", str(ceil(1000 * error.retry_after_s))),)
