"""The Open Inference Protocol, version 2, over HTTP: /v2….

Source: https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
"""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response

from models.errors import ModelNotFoundError, NotReadyError
from serving.http.errors import ANSWERING, documented
from serving.http.forms.described import DOT
from serving.http.openapi import REFERENCE
from serving.http.routes.dependencies import Call, Calling, Service
from serving.http.routes.disconnect import while_connected
from serving.http.routes.predict import server_timing
from serving.http.routes.stream import read_all
from serving.http.schemas import Live, Ready
from serving.open_inference.configuration import model_config
from serving.open_inference.framing import HEADER, read_request, wants_binary, write_response
from serving.open_inference.infer import describe, infer, max_values
from serving.open_inference.messages import (
    InferResponse,
    ModelMetadataResponse,
    ModelReady,
    ServerMetadata,
)
from serving.open_inference.statistics import model_statistics
from serving.parsing.bounded_json import work_bytes
from serving.parsing.off_loop import off_loop
from serving.service import PredictionService

router = APIRouter(prefix="/v2", tags=["open inference"])

_BINARY: dict[str, object] = {"schema": {"type": "string", "format": "binary"}}
_JSON: dict[str, object] = {
    "schema": {"$ref": REFERENCE.format(model="InferRequest")},
    "example": {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": [DOT]}]},
}
_BODY = {"requestBody": {"required": True, "content": {"application/json": _JSON, "application/octet-stream": _BINARY}}}
_ANSWERS: dict[int | str, dict[str, object]] = {
    200: {"model": InferResponse, "content": {"application/octet-stream": _BINARY}},
    **documented(*ANSWERING),
}

HeaderLength = Annotated[str | None, Header(alias=HEADER, description="Bytes of the JSON; 0: the body is one photo.")]


@router.get("")
async def server_metadata() -> ServerMetadata:
    """Tells which server this is; and which extensions of the protocol it has."""
    return ServerMetadata()


@router.get("/health/live")
async def server_live() -> Live:
    """Says that the event loop turns."""
    return Live()


@router.get("/health/ready", responses=documented(NotReadyError))
async def server_ready(service: Service) -> Ready:
    """Says whether every model is loaded, warm and right on its golden samples; else 503."""
    _refuse_unready(service)
    return Ready()


@router.get("/models/stats")
async def all_statistics(request: Request, service: Service) -> dict[str, Any]:
    """Triton's statistics of all versions that are loaded; requests, images, batches and how long each step took."""
    return await model_statistics(service, request.app.state.metrics.totals)


@router.get("/models/{model}", responses=documented(ModelNotFoundError))
async def model_tensors(model: str, service: Service) -> ModelMetadataResponse:
    """Tells what a model takes and gives."""
    return describe(service, model, None)


@router.get("/models/{model}/versions/{version}", responses=documented(ModelNotFoundError))
async def version_tensors(model: str, version: str, service: Service) -> ModelMetadataResponse:
    """Tells what a version takes and gives."""
    return describe(service, model, version)


@router.get("/models/{model}/config", responses=documented(ModelNotFoundError))
async def get_model_config(model: str, service: Service) -> dict[str, Any]:
    """Triton's configuration of a model."""
    return model_config(service, model, None)


@router.get("/models/{model}/versions/{version}/config", responses=documented(ModelNotFoundError))
async def get_version_config(model: str, version: str, service: Service) -> dict[str, Any]:
    """Triton's configuration of one version."""
    return model_config(service, model, version)


@router.get("/models/{model}/stats", responses=documented(ModelNotFoundError))
async def get_model_statistics(model: str, request: Request, service: Service) -> dict[str, Any]:
    """Triton's statistics of one model."""
    return await model_statistics(service, request.app.state.metrics.totals, model)


@router.get("/models/{model}/versions/{version}/stats", responses=documented(ModelNotFoundError))
async def get_version_statistics(model: str, version: str, request: Request, service: Service) -> dict[str, Any]:
    """Triton's statistics of one version."""
    return await model_statistics(service, request.app.state.metrics.totals, model, version)


@router.get("/models/{model}/ready", responses=documented(ModelNotFoundError, NotReadyError))
async def model_ready(model: str, service: Service) -> ModelReady:
    """Says whether a model is loaded, warm and right on its golden samples; else 404 or 503."""
    return _ready(service, model, None)


@router.get("/models/{model}/versions/{version}/ready", responses=documented(ModelNotFoundError, NotReadyError))
async def version_ready(model: str, version: str, service: Service) -> ModelReady:
    """Says whether a version is loaded, warm and right on its golden samples; else 404 or 503."""
    return _ready(service, model, version)


@router.post("/models/{model}/infer", openapi_extra=_BODY, responses=_ANSWERS)
async def infer_model(model: str, call: Calling, header_length: HeaderLength = None) -> Response:
    """Asks a model for its probabilities; of encoded photos or ready-made tensors, as JSON or binary."""
    return await _infer(call, (model, None), header_length)


@router.post("/models/{model}/versions/{version}/infer", openapi_extra=_BODY, responses=_ANSWERS)
async def infer_version(model: str, version: str, call: Calling, header_length: HeaderLength = None) -> Response:
    """Asks a version for its probabilities; of encoded photos or ready-made tensors, as JSON or binary."""
    return await _infer(call, (model, version), header_length)


async def _infer(call: Call, asked: tuple[str, str | None], header_length: str | None) -> Response:
    service = call.service
    values = max_values(service, *asked)  # a wrong name is refused before the body is read
    with service.bodies.lease() as take:
        body = await read_all(call.request, service.settings, take)
        work = len(body) if header_length == "0" else work_bytes(body)  # which then is a photo
        wanted = await off_loop(lambda: read_request(body, header_length, values), work)
        binary = wants_binary(wanted)
        with while_connected(call.request):
            answer, timing = await infer(service, *asked, wanted, call.patience.left_s)
    content, json_length = await off_loop(lambda: write_response(answer, binary), answer.work_bytes)
    response = _response(content, json_length)
    response.headers["Server-Timing"] = server_timing(timing)
    return response


def _ready(service: PredictionService, model: str, version: str | None) -> ModelReady:
    service.classifier(model, version)
    _refuse_unready(service)
    return ModelReady(name=model)


def _response(content: bytes, json_length: int | None) -> Response:
    if json_length is None:
        return Response(content, media_type="application/json")
    return Response(content, media_type="application/octet-stream", headers={HEADER: str(json_length)})


def _refuse_unready(service: PredictionService) -> None:
    if (reason := service.unready) is not None:
        raise NotReadyError(reason)
