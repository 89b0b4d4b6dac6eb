"""GrpcServer: Open Inference, health and reflection on a port of their own, in the event loop of the HTTP server."""

import logging
from typing import Self

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from serving.access.keys import ApiKeys
from serving.access.listening import listen
from serving.grpc.arriving import SPARE_BYTES
from serving.grpc.calls import SPARE_CALLS, Calls
from serving.grpc.health import Health
from serving.grpc.protobuf import open_inference_pb2, open_inference_pb2_grpc
from serving.grpc.servicer import OpenInferenceServicer
from serving.observability.metrics import Metrics
from serving.service import PredictionService
from serving.settings import Settings

_log = logging.getLogger("loupe.grpc")
_IDLE_MS = 300_000
_MOST = 2**31 - 1  # of bytes and of calls: the C library counts in 32 bits, and no message of protobuf is longer


def _is_of_use(record: logging.LogRecord) -> bool:
    """A traceback of gRPC's says that a caller whose time is up cannot be answered; the access log tells of him."""
    return record.exc_info is None or getattr(record.exc_info[0], "__name__", "") != "ExecuteBatchError"


def refuse_taken(settings: Settings) -> None:
    """Tells before the models are loaded what the event loop would tell too late for a clear sentence.

    Raises:
        SettingsError: the address cannot be listened on.
    """
    listen(settings.host, settings.grpc_port or 0).close()


class GrpcServer:
    """An asynchronous context manager: entered, it answers; left, it takes no more calls and ends those inside.

    Attributes:
        port: the one that it listens on.
    """

    def __init__(self, service: PredictionService, metrics: Metrics, keys: ApiKeys | None = None) -> None:
        """Takes the port; call it in the event loop.

        Raises:
            RuntimeError: the address cannot be listened on.
        """
        logging.getLogger("grpc._cython.cygrpc").addFilter(_is_of_use)
        self._settings = settings = service.settings
        self._health = Health(service)
        self._server = grpc.aio.server(
            interceptors=[Calls(service, metrics.recorder, keys)],
            options=[
                ("grpc.max_receive_message_length", min(settings.max_request_bytes + SPARE_BYTES, _MOST)),
                ("grpc.max_send_message_length", -1),
                ("grpc.so_reuseport", 0),  # else two servers would share the port in silence
                ("grpc.max_connection_idle_ms", _IDLE_MS),
                # Else each stream of a fast connection is sent megabytes ahead of whoever asks for its message.
                ("grpc.http2.bdp_probe", 0),
            ],
            # More than `Calls` lets in, so that it can refuse the others with a sentence.
            maximum_concurrent_rpcs=min(2 * (settings.max_queued_images + 2 * SPARE_CALLS), _MOST),
        )
        self._add_services(service, metrics)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        self.port: int = self._server.add_insecure_port(f"{host}:{settings.grpc_port}")

    async def __aenter__(self) -> Self:
        """Starts."""
        await self._server.start()
        _log.info("gRPC is ready", extra={"port": self.port})
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stops."""
        self._health.end()
        await self._server.stop(self._settings.request_timeout_s)

    def _add_services(self, service: PredictionService, metrics: Metrics) -> None:
        servicer = OpenInferenceServicer(service, metrics)
        open_inference_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(servicer, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        named = (open_inference_pb2.DESCRIPTOR, health_pb2.DESCRIPTOR)
        services = [one.full_name for file in named for one in file.services_by_name.values()]
        reflection.enable_server_reflection([*services, reflection.SERVICE_NAME], self._server)
