"""Calls that other servers have and this one has not: a sentence in the place of a riddle. None is documented."""

from collections.abc import Callable

from fastapi import APIRouter
from starlette.exceptions import HTTPException

from models.errors import RequestError

router = APIRouter(include_in_schema=False)

_OF_ONE = ("/v1/models/{model}", "/v1/models/{model}/versions/{version}", "/v1/models/{model}/labels/{label}")
_FEATURES = ("classify", "regress")


def _refuse_get(verb: str) -> None:
    """``GET …:predict``, which would be read as a model's name."""
    allowed = {"Allow": "POST"} if verb in ("predict", *_FEATURES) else {}
    raise HTTPException(405 if allowed else 404, headers=allowed)


def _refuse_post(model: str, verb: str) -> None:
    if verb not in _FEATURES:
        raise HTTPException(404)
    raise RequestError(
        f"TensorFlow Serving's :{verb} takes features as tf.Example, which no image model has; "
        f"send photos to POST /v1/models/{model[:100]}:predict"
    )


_NOT_OFFERED = {
    "/v2/logging": "log settings: LOUPE_LOG_LEVEL is read at the start",
    "/v2/trace/setting": "trace settings: LOUPE_TRACING_ENDPOINT is read at the start",
    "/v2/models/{model}/trace/setting": "trace settings: LOUPE_TRACING_ENDPOINT is read at the start",
    "/v2/systemsharedmemory/{rest:path}": "shared memory: send tensors in the body",
    "/v2/cudasharedmemory/{rest:path}": "shared memory: send tensors in the body",
}
"""Extensions of Triton's that its clients ask for."""


def _refusing(what: str) -> Callable[[], None]:
    def refuse() -> None:
        raise RequestError(f"Loupe does not offer {what}; GET /v2 names the extensions that it has")

    return refuse


for _path, _what in _NOT_OFFERED.items():
    router.add_api_route(_path, _refusing(_what), methods=["GET", "POST"])
for _path in _OF_ONE:
    router.add_api_route(_path + ":{verb}", _refuse_get, methods=["GET"])
    router.add_api_route(_path + ":{verb}", _refuse_post, methods=["POST"])
