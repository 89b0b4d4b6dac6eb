"""The Open Inference Protocol, version 2, over HTTP: /v2….

Source: https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
"""

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response

from models.errors import ModelNotFoundError, NotReadyError
from serving.http.errors import ANSWERING, documented
from serving.http.routes.dependencies import Patience, Service
from serving.http.routes.disconnect import while_connected
from serving.http.routes.predict import server_timing
from serving.http.routes.stream import read_all
from serving.http.schemas import Live, Ready
from serving.open_inference.framing import HEADER, read_request, wants_binary, write_response
from serving.open_inference.infer import describe, infer, max_values
from serving.open_inference.messages import (
    InferRequest,
    InferResponse,
    ModelMetadataResponse,
    ModelReady,
    ServerMetadata,
)
from serving.parsing.off_loop import off_loop
from serving.service import PredictionService

router = APIRouter(prefix="/v2", tags=["open inference"])

_BINARY: dict[str, object] = {"schema": {"type": "string", "format": "binary"}}
_JSON: dict[str, object] = {"schema": InferRequest.model_json_schema()}
_BODY = {"requestBody": {"required": True, "content": {"application/json": _JSON, "application/octet-stream": _BINARY}}}
_ANSWERS: dict[int | str, dict[str, object]] = {
    200: {"model": InferResponse, "content": {"application/octet-stream": _BINARY}},
    **documented(*ANSWERING),
}

HeaderLength = Annotated[str | None, Header(alias=HEADER, description="Bytes of the JSON; 0: the body is one photo.")]


@router.get("")
async def server() -> ServerMetadata:
    """Which server this is, and which extensions of the protocol it has."""
    return ServerMetadata()


@router.get("/health/live")
async def live() -> Live:
    """The event loop turns."""
    return Live()


@router.get("/health/ready", responses=documented(NotReadyError))
async def ready(service: Service) -> Ready:
    """Every model is loaded, warm and right on its golden samples; else 503."""
    _refuse_unready(service)
    return Ready()


@router.get("/models/{model}", responses=documented(ModelNotFoundError))
@router.get("/models/{model}/versions/{version}", responses=documented(ModelNotFoundError))
async def metadata(model: str, service: Service, version: str | None = None) -> ModelMetadataResponse:
    """What a model takes and gives."""
    return describe(service, model, version)


@router.get("/models/{model}/ready", responses=documented(ModelNotFoundError, NotReadyError))
@router.get("/models/{model}/versions/{version}/ready", responses=documented(ModelNotFoundError, NotReadyError))
async def model_ready(model: str, service: Service, version: str | None = None) -> ModelReady:
    """The model is loaded, warm and right on its golden samples; else 404 or 503."""
    service.classifier(model, version)
    _refuse_unready(service)
    return ModelReady(name=model)


@router.post("/models/{model}/infer", openapi_extra=_BODY, responses=_ANSWERS)
@router.post("/models/{model}/versions/{version}/infer", openapi_extra=_BODY, responses=_ANSWERS)
async def infer_(
    model: str,
    request: Request,
    service: Service,
    patience: Patience,
    version: str | None = None,
    header_length: HeaderLength = None,
) -> Response:
    """Probabilities of encoded photos or ready-made tensors, as JSON or binary."""
    values = max_values(service, model, version)  # a wrong name is refused before the body is read
    with service.bodies.lease() as take:
        body = await read_all(request, service.settings, take)
        call = await off_loop(lambda: read_request(body, header_length, values), len(body))
        binary = wants_binary(call)
        async with while_connected(request):
            answer, timing = await infer(service, model, version, call, patience.left_s)
    response = _response(answer, binary)
    response.headers["Server-Timing"] = server_timing(timing)
    return response


def _response(answer: InferResponse, binary: bool) -> Response:
    content, json_length = write_response(answer, binary)
    if json_length is None:
        return Response(content, media_type="application/json")
    return Response(content, media_type="application/octet-stream", headers={HEADER: str(json_length)})


def _refuse_unready(service: PredictionService) -> None:
    if not service.ready:
        raise NotReadyError("the service is shutting down")
