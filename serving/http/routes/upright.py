"""POST /v1/upright: a photo in, the same photo upright out."""

from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from models.errors import RequestError
from serving.http.errors import ANSWERING, documented
from serving.http.forms.body import read_body
from serving.http.forms.described import OPENAPI_BODY
from serving.http.forms.parameters import UprightParameters
from serving.http.routes.dependencies import Calling
from serving.http.routes.disconnect import while_connected
from serving.http.routes.holding import HoldingResponse
from serving.http.routes.predict import server_timing
from serving.upright.straightening import MODEL, Straightener, Upright

_CHUNK_BYTES = 256 * 1024

_HEADERS: dict[str, Any] = {
    "Loupe-Rotated-Clockwise": {
        "description": "Degrees, of the picture as shown.",
        "schema": {"type": "integer", "enum": [0, 90, 180, 270]},
    },
    "Loupe-Probability": {
        "description": "Of the side at which the scene's top was found.",
        "schema": {"type": "number", "minimum": 0, "maximum": 1},
    },
    "Loupe-Certain": {
        "description": "`false`: nothing was done, as the answer was not certain.",
        "schema": {"type": "string", "enum": ["true", "false"]},
    },
    "Loupe-Method": {
        "description": "What was done: nothing, to the tag alone, or to the pixels, without loss or coded again.",
        "schema": {"type": "string", "enum": ["none", "tag", "lossless", "reencoded"]},
    },
}
_PHOTO: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The photo; byte for byte the one that was sent if it is upright or the answer not certain.",
        "headers": _HEADERS,
        "content": {
            media_type: {"schema": {"type": "string", "format": "binary"}}
            # The last for clients made by tools that know no pictures.
            for media_type in (
                "image/jpeg",
                "image/png",
                "image/tiff",
                "image/webp",
                "image/heic",
                "image/avif",
                "application/octet-stream",
            )
        },
    }
}

router = APIRouter(tags=["upright"], responses=documented(*ANSWERING))


@router.post("/v1/upright", openapi_extra=OPENAPI_BODY, response_class=Response, responses=_PHOTO)
async def upright(call: Calling, asked: Annotated[UprightParameters, Query()]) -> Response:
    """Turns a photo upright; JPEG, PNG, WebP, TIFF, HEIC or AVIF, if the model is certain. Twice is as good as once."""
    service = call.service
    service.classifier(MODEL)  # without it nothing can be done, so the body is not read
    with ExitStack() as stack:
        take = stack.enter_context(service.bodies.lease())
        body = await read_body(call.request, service.settings, take, UprightParameters.model_fields)
        method = asked.beside(body.parameters).method
        if len(body.images) > 1:
            raise RequestError(f"the request holds {len(body.images)} images; one at a time is turned upright")
        with while_connected(call.request):
            answer = await Straightener(service).straighten(body.images[0], method, timeout_s=call.patience.left_s)
        # Bytes stay counted until the answer is sent: it holds as many as the request, and readers may be slow.
        return HoldingResponse(_chunks(answer.data), stack.pop_all(), answer.media_type, _headers(answer))


async def _chunks(data: bytes) -> AsyncIterator[memoryview]:
    """What is sent at once waits in the connection, however large it is; a chunk waits until there is room for it."""
    view = memoryview(data)
    for start in range(0, len(data), _CHUNK_BYTES):
        yield view[start : start + _CHUNK_BYTES]


def _headers(answer: Upright) -> dict[str, str]:
    return {
        "Content-Length": str(len(answer.data)),
        "Loupe-Rotated-Clockwise": str(answer.rotated_clockwise),
        "Loupe-Probability": str(answer.probability),
        "Loupe-Certain": str(answer.certain).lower(),
        "Loupe-Method": answer.done,
        "Server-Timing": server_timing(answer.timing),
    }
