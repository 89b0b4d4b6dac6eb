"""The model repository extension of Open Inference: what there is, and models that come and go.

Source: https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_model_repository.md
"""

from typing import TypeVar

from fastapi import APIRouter, Request
from pydantic import BaseModel, ValidationError

from models.errors import InvalidModelError, StoreError
from serving.http.errors import CONTROLLING, READING, documented
from serving.http.openapi import REFERENCE
from serving.http.routes.dependencies import Admin, Service
from serving.http.routes.stream import read_all
from serving.open_inference.messages import ControlRequest, IndexEntry, IndexRequest, malformed
from serving.open_inference.repository import read_index, refuse_overrides
from serving.parsing.bounded_json import read_json, work_bytes
from serving.parsing.off_loop import off_loop
from serving.service import PredictionService

router = APIRouter(prefix="/v2/repository", tags=["open inference"])

_UNLOAD, _LOAD = documented(*CONTROLLING), documented(*CONTROLLING, InvalidModelError, StoreError)


def _body(model: type[BaseModel], example: dict[str, object]) -> dict[str, object]:
    """Which may be left out."""
    content = {"schema": {"$ref": REFERENCE.format(model=model.__name__)}, "example": example}
    return {"requestBody": {"required": False, "content": {"application/json": content}}}


_INDEX, _WITHOUT = _body(IndexRequest, {"ready": True}), _body(ControlRequest, {})
_Read = TypeVar("_Read", bound=BaseModel)


@router.post("/index", openapi_extra=_INDEX, responses=documented(*READING))
async def repository_index(request: Request, service: Service) -> list[IndexEntry]:
    """Lists every version on disk or in memory; with `{"ready": true}` only those that can be asked."""
    wanted = await _read(request, service, IndexRequest)
    return await read_index(service, wanted.ready)


@router.post("/models/{model}/load", dependencies=[Admin], openapi_extra=_WITHOUT, responses=_LOAD)
async def load_model(model: str, request: Request, service: Service) -> dict[str, str]:
    """Loads what is new of a model; a version that is refused leaves all as it was."""
    control = await _read(request, service, ControlRequest)
    refuse_overrides(control.parameters)
    await service.registry.load(model)
    return {}


@router.post("/models/{model}/unload", dependencies=[Admin], openapi_extra=_WITHOUT, responses=_UNLOAD)
async def unload_model(model: str, request: Request, service: Service) -> dict[str, str]:
    """Gives a model up until it is loaded again; what was begun is still answered."""
    await _read(request, service, ControlRequest)
    await service.registry.unload(model)
    return {}


async def _read(request: Request, service: PredictionService, what: type[_Read]) -> _Read:
    """A body may be left out, whatever its type is said to be."""
    with service.bodies.lease() as take:
        body = await read_all(request, service.settings, take)
        given = await off_loop(lambda: read_json(body or b"{}"), work_bytes(body))
    try:
        return what.model_validate(given)
    except ValidationError as error:
        raise malformed(error, "JSON body") from None
