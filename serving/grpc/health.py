"""The standard gRPC health service: of the whole server under "" and its service's name, of each model under its own.

Source: https://github.com/grpc/grpc/blob/master/doc/health-checking.md
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
from grpc_health.v1 import health_pb2 as pb
from grpc_health.v1.health_pb2_grpc import HealthServicer

from serving.service import PredictionService

_SERVICE = "inference.GRPCInferenceService"
_LOOK_AGAIN_S = 0.5


class Health(HealthServicer):  # type: ignore[misc]  # grpcio ships no types
    """Reads the service's state when asked, so that no state is kept twice."""

    def __init__(self, service: PredictionService) -> None:
        self._service = service
        self._ended = False

    def end(self) -> None:
        """Lets those who watch go, as the server would wait for them."""
        self._ended = True

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: ANN401, N802
        """Says how it is now; an unknown name is NOT_FOUND."""
        status = self._status(request.service)
        if status == pb.HealthCheckResponse.SERVICE_UNKNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"there is no service {request.service[:100]!r}")
        return pb.HealthCheckResponse(status=status)

    async def Watch(self, request: Any, _: Any) -> AsyncIterator[Any]:  # noqa: ANN401, N802
        """Says how it is, and again at every change, until the caller leaves or the server stops."""
        last = None
        while not self._ended:
            if (status := self._status(request.service)) != last:
                yield pb.HealthCheckResponse(status=status)
            last = status
            await asyncio.sleep(_LOOK_AGAIN_S)

    def _status(self, name: str) -> int:
        if name not in ("", _SERVICE, *self._service.models):
            return int(pb.HealthCheckResponse.SERVICE_UNKNOWN)
        ready = self._service.ready
        return int(pb.HealthCheckResponse.SERVING if ready else pb.HealthCheckResponse.NOT_SERVING)
