"""Every gRPC call: keys, error class → status code, and the record, request id and log line that HTTP has too."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from time import time_ns
from typing import Any
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
    UnauthorizedError,
)
from serving.access.keys import ApiKeys
from serving.observability.logging import request_id
from serving.observability.recorder import Recorder, RequestRecord
from serving.settings import Settings

CODES: Mapping[type[LoupeError], tuple[grpc.StatusCode, int]] = {
    ImageError: (grpc.StatusCode.INVALID_ARGUMENT, 400),
    RequestError: (grpc.StatusCode.INVALID_ARGUMENT, 400),
    RequestTimeoutError: (grpc.StatusCode.DEADLINE_EXCEEDED, 408),
    InvalidModelError: (grpc.StatusCode.INVALID_ARGUMENT, 400),
    UnauthorizedError: (grpc.StatusCode.UNAUTHENTICATED, 401),
    ForbiddenError: (grpc.StatusCode.PERMISSION_DENIED, 403),
    ModelNotFoundError: (grpc.StatusCode.NOT_FOUND, 404),
    QueueFullError: (grpc.StatusCode.RESOURCE_EXHAUSTED, 429),
    NotReadyError: (grpc.StatusCode.UNAVAILABLE, 503),
    DeadlineExceededError: (grpc.StatusCode.DEADLINE_EXCEEDED, 504),
}
"""gRPC's code, and HTTP's status for the metrics; a class that is not here has its nearest ancestor's."""

_OK = (grpc.StatusCode.OK, 200)
_CANCELLED = (grpc.StatusCode.CANCELLED, 499)
_OUR_FAULT = (grpc.StatusCode.INTERNAL, 500)
_TRAILERS: Mapping[type[Exception], tuple[tuple[str, str], ...]] = {
    QueueFullError: (("grpc-retry-pushback-ms", "1000"),),  # what Retry-After is to HTTP
}
_OPEN = (
    "/grpc.health.v1.Health/",
    "/inference.GRPCInferenceService/ServerLive",
    "/inference.GRPCInferenceService/ServerReady",
)
_INFER = "/inference.GRPCInferenceService/ModelInfer"
_log = logging.getLogger("loupe.access")
_faults = logging.getLogger("loupe.grpc")

_Call = Callable[[Any, Any], Awaitable[Any]]


class Calls(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # grpcio ships no types
    """Wraps each call of one message that has one answer; of the others, only the key is checked."""

    def __init__(self, settings: Settings, recorder: Recorder, keys: ApiKeys | None) -> None:
        self._recorder = recorder
        self._keys = keys
        self._timeout_s = settings.request_timeout_s
        # gRPC tells a message's size once it is there: so only as many arrive at once as may be held at their largest.
        self._arriving = asyncio.Semaphore(settings.max_held_bytes // settings.max_request_bytes)

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
        if handler is None or not handler.unary_unary:
            return handler
        # On the wire one message is a stream of one, but a stream's message is not received before it is asked for.
        return grpc.stream_unary_rpc_method_handler(
            self._answering(handler.unary_unary, details.method, headers),
            handler.request_deserializer,
            handler.response_serializer,
        )

    def _check_key(self, method: str, headers: Mapping[str, str]) -> None:
        if self._keys is not None and not method.startswith(_OPEN):
            self._keys.check(headers)

    def _answering(self, call: _Call, method: str, headers: Mapping[str, str]) -> _Call:
        async def answer(messages: AsyncIterator[Any], context: Any) -> Any:  # noqa: ANN401
            async with self._recorded(method, headers, context) as record:
                request = await self._received(messages)
                record.path_model = request.model_name if method == _INFER else None
                return await call(request, context)

        return answer

    def _refusing(self, error: LoupeError, method: str, headers: Mapping[str, str]) -> _Call:
        async def refuse(_: object, context: Any) -> None:  # noqa: ANN401
            async with self._recorded(method, headers, context):
                raise error

        return refuse

    async def _received(self, messages: AsyncIterator[Any]) -> Any:  # noqa: ANN401
        try:
            async with asyncio.timeout(self._timeout_s), self._arriving:
                async for message in messages:
                    return message
        except TimeoutError:
            raise RequestTimeoutError(f"the message did not arrive within {self._timeout_s:g} s") from None
        raise RequestError("the call has no message; exactly one is needed")

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
                yield record
                code = _OK
            except Exception as error:
                code, record.error_type = _code(error), type(error).__name__
                await _abort(context, error)
            finally:
                record.status = code[1]
                _log_call(record, code[0])


def _log_call(record: RequestRecord, code: grpc.StatusCode) -> None:
    duration_ms = round((time_ns() - record.started_ns) / 1e6, 2)
    fields = {"method": "gRPC", "path": record.route, "status": code.name, "duration_ms": duration_ms}
    _log.info("request", extra=fields)


def _code(error: Exception) -> tuple[grpc.StatusCode, int]:
    return next((CODES[class_] for class_ in type(error).__mro__ if class_ in CODES), _OUR_FAULT)


async def _abort(context: Any, error: Exception) -> None:  # noqa: ANN401
    """Its traceback is for the log, if the fault is ours; the id leads there."""
    sentence = str(error)
    if not isinstance(error, LoupeError):
        _faults.error("a call failed", exc_info=error)
        sentence = f"the service made a mistake; its log has it under the request id {request_id.get()}"
    await context.abort(_code(error)[0], sentence, _TRAILERS.get(type(error), ()))
