"""GRPCInferenceService: the protocol's calls over gRPC, answered as those over HTTP are."""

from functools import partial
from typing import Any

from google.protobuf.json_format import ParseDict

from models.errors import ModelNotFoundError
from serving.access.control import check_token
from serving.grpc.messages import read_request, write_metadata, write_response
from serving.grpc.protobuf import open_inference_pb2 as pb
from serving.grpc.protobuf.open_inference_pb2_grpc import GRPCInferenceServiceServicer
from serving.observability.metrics import Metrics
from serving.open_inference.configuration import model_config
from serving.open_inference.infer import describe, infer, max_values
from serving.open_inference.messages import ServerMetadata
from serving.open_inference.repository import read_index, refuse_overrides
from serving.open_inference.statistics import model_statistics
from serving.parsing.off_loop import off_loop
from serving.service import PredictionService

_Context = Any  # grpc.aio.ServicerContext; grpcio ships no types


class OpenInferenceServicer(GRPCInferenceServiceServicer):
    """One method for each call; a LoupeError becomes a status outside, in ``serving.grpc.calls``."""

    def __init__(self, service: PredictionService, metrics: Metrics) -> None:
        self._service = service
        self._metrics = metrics

    async def ServerLive(self, _: pb.ServerLiveRequest, __: _Context) -> pb.ServerLiveResponse:
        """The event loop turns."""
        return pb.ServerLiveResponse(live=True)

    async def ServerReady(self, _: pb.ServerReadyRequest, __: _Context) -> pb.ServerReadyResponse:
        """Every model is loaded, warm and right on its golden samples."""
        return pb.ServerReadyResponse(ready=self._service.ready)

    async def ModelReady(self, request: pb.ModelReadyRequest, _: _Context) -> pb.ModelReadyResponse:
        """The same of one model; one that is not there is not ready, as with Triton."""
        try:
            self._service.classifier(request.name, request.version or None)
        except ModelNotFoundError:
            return pb.ModelReadyResponse(ready=False)
        return pb.ModelReadyResponse(ready=self._service.ready)

    async def ServerMetadata(self, _: pb.ServerMetadataRequest, __: _Context) -> pb.ServerMetadataResponse:
        """Which server this is, and which extensions of the protocol it has."""
        return pb.ServerMetadataResponse(**ServerMetadata().model_dump())

    async def ModelMetadata(self, request: pb.ModelMetadataRequest, _: _Context) -> pb.ModelMetadataResponse:
        """What a model takes and gives."""
        return write_metadata(describe(self._service, request.name, request.version or None))

    async def ModelConfig(self, request: pb.ModelConfigRequest, _: _Context) -> pb.ModelConfigResponse:
        """Triton's configuration of a model."""
        config = model_config(self._service, request.name, request.version or None)
        ParseDict({"config": config}, answer := pb.ModelConfigResponse())
        return answer

    async def ModelStatistics(self, request: pb.ModelStatisticsRequest, _: _Context) -> pb.ModelStatisticsResponse:
        """Triton's statistics of a version, of a model, or of all that is loaded."""
        name, version = request.name or None, request.version or None
        statistics = await model_statistics(self._service, self._metrics.totals, name, version)
        ParseDict(statistics, answer := pb.ModelStatisticsResponse())
        return answer

    async def ModelInfer(self, request: pb.ModelInferRequest, context: _Context) -> pb.ModelInferResponse:
        """Probabilities of encoded photos or ready-made tensors."""
        remaining_s, longest_s = context.time_remaining(), self._service.settings.request_timeout_s
        timeout_s = longest_s if remaining_s is None else min(remaining_s, longest_s)
        name, version, raw = request.model_name, request.model_version or None, bool(request.raw_input_contents)
        images, values = self._service.settings.max_request_images, max_values(self._service, name, version)
        call = await off_loop(partial(read_request, request, images, values), request.ByteSize())
        del request  # what was read is a copy
        response, _ = await infer(self._service, name, version, call, timeout_s)
        return await off_loop(partial(write_response, response, raw), response.work_bytes)

    async def RepositoryIndex(self, request: pb.RepositoryIndexRequest, _: _Context) -> pb.RepositoryIndexResponse:
        """Every version on disk or in memory, or only those that are ready."""
        entries = await read_index(self._service, request.ready)
        return pb.RepositoryIndexResponse(models=[entry.model_dump() for entry in entries])

    async def RepositoryModelLoad(
        self, request: pb.RepositoryModelLoadRequest, context: _Context
    ) -> pb.RepositoryModelLoadResponse:
        """Loads what is new of a model."""
        self._check_token(context)
        refuse_overrides(request.parameters)
        await self._service.registry.load(request.model_name)
        return pb.RepositoryModelLoadResponse()

    async def RepositoryModelUnload(
        self, request: pb.RepositoryModelUnloadRequest, context: _Context
    ) -> pb.RepositoryModelUnloadResponse:
        """Gives a model up until it is loaded again."""
        self._check_token(context)
        await self._service.registry.unload(request.model_name)
        return pb.RepositoryModelUnloadResponse()

    def _check_token(self, context: _Context) -> None:
        metadata = dict(context.invocation_metadata() or ())
        check_token(self._service.settings, str(metadata.get("authorization", "")))
