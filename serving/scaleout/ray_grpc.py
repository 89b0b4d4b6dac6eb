"""Open Inference over gRPC from replicas on Ray Serve, whose gRPC proxy hands over messages, not streams.

The calls are those of Loupe's own server, with its keys, limits, codes, metrics and log lines: ``serving.grpc.calls``.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import grpc

from serving.access.keys import ApiKeys
from serving.grpc.calls import Calls
from serving.grpc.protobuf import open_inference_pb2 as pb
from serving.grpc.protobuf.open_inference_pb2_grpc import add_GRPCInferenceServiceServicer_to_server
from serving.grpc.servicer import OpenInferenceServicer
from serving.observability.metrics import Metrics
from serving.service import PredictionService

_SERVICE = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"]
_Context = Any  # ray.serve.grpc_util.RayServegRPCContext
_Message = Any  # of protobuf


class Answers:
    """Answers one call after the other, whichever it is."""

    def __init__(self, service: PredictionService, metrics: Metrics, keys: ApiKeys | None) -> None:
        self._calls = Calls(service, metrics.recorder, keys)
        self._handlers: Mapping[str, Any] = {}
        add_GRPCInferenceServiceServicer_to_server(OpenInferenceServicer(service, metrics), self)

    def add_generic_rpc_handlers(self, _: object) -> None:
        """What a server has; those that ``add_registered_method_handlers`` gets are the same."""

    def add_registered_method_handlers(self, _: str, handlers: Mapping[str, Any]) -> None:
        """Gets the servicer's methods by their names."""
        self._handlers = handlers

    async def answer(self, name: str, message: _Message, context: _Context) -> _Message:
        """Answers a call, or tells Ray the code and the sentence, and raises.

        Raises:
            RuntimeError: the call failed; what was told is what the caller gets.
        """
        method = f"/{_SERVICE.full_name}/{name}"
        details = _Details(method, context.invocation_metadata())
        handler = await self._calls.intercept_service(lambda _: self._handler(name), details)
        return await handler.stream_unary(_one(message.SerializeToString()), _Told(context))

    async def _handler(self, name: str) -> Any:  # noqa: ANN401 - grpcio ships no types
        return self._handlers[name]


class OpenInference:
    """The calls as methods, which is where Ray looks for them; ``answers`` does the work."""

    answers: Answers


def _method(name: str) -> Callable[..., Awaitable[_Message]]:
    async def call(self: OpenInference, message: _Message, grpc_context: _Context) -> _Message:
        return await self.answers.answer(name, message, grpc_context)

    call.__name__ = name
    return call


for _one_method in _SERVICE.methods:
    setattr(OpenInference, _one_method.name, _method(_one_method.name))


@dataclass(frozen=True)
class _Details:
    """What an interceptor is told of a call."""

    method: str
    invocation_metadata: Any


class _Told:
    """The part of a ``grpc.aio.ServicerContext`` that Loupe's calls use, by Ray's."""

    def __init__(self, context: _Context) -> None:
        self._context = context

    def invocation_metadata(self) -> Any:  # noqa: ANN401
        return self._context.invocation_metadata()

    def peer(self) -> str:
        return str(self._context.peer())

    def time_remaining(self) -> None:
        """Ray does not tell; its own timeout and ``LOUPE_REQUEST_TIMEOUT_S`` end the call."""

    async def abort(self, code: grpc.StatusCode, details: str, trailers: tuple[tuple[str, str], ...] = ()) -> NoReturn:
        self._context.set_code(code)
        self._context.set_details(details)
        if trailers:
            self._context.set_trailing_metadata([*self._context.trailing_metadata(), *trailers])
        raise RuntimeError(details)


async def _one(message: bytes) -> AsyncIterator[bytes]:
    yield message
