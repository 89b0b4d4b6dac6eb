"""GET and PUT /v1/models/{model}/labels: which version is stable, and which share of the traffic goes elsewhere."""

from fastapi import APIRouter, Request

from models.errors import InvalidModelError, ModelNotFoundError, StorageFullError, StoreError
from serving.http.errors import CONTROLLING, documented
from serving.http.openapi import REFERENCE
from serving.http.routes.dependencies import Admin, Service
from serving.http.routes.stream import read_all
from serving.parsing.bounded_json import work_bytes
from serving.parsing.off_loop import off_loop
from serving.versions.labels import Labels

router = APIRouter(tags=["models"])

_LABELS: dict[str, object] = {
    "schema": {"$ref": REFERENCE.format(model="Labels")},
    "example": {"stable": 1, "canary": {"version": 2, "share": 0.05}},
}
_BODY = {"requestBody": {"required": True, "content": {"application/json": _LABELS}}}
_ERRORS = documented(*CONTROLLING, InvalidModelError, StoreError, StorageFullError)


@router.get("/v1/models/{model}/labels", responses=documented(ModelNotFoundError))
async def get_labels(model: str, service: Service) -> Labels:
    """Tells which labels are in effect."""
    return service.model(model).labels


@router.put("/v1/models/{model}/labels", dependencies=[Admin], openapi_extra=_BODY, responses=_ERRORS)
async def set_labels(model: str, request: Request, service: Service) -> Labels:
    """Replaces all labels of a model; after loading the versions that they name."""
    service.model(model)
    with service.bodies.lease() as take:
        body = await read_all(request, service.settings, take)
        given = await off_loop(lambda: Labels.parse(body), work_bytes(body))
    await service.registry.relabel(model, given)
    return service.model(model).labels
