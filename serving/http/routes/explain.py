"""POST /v1/models/{model}:explain: which parts of a photo an answer hangs on."""

import asyncio
from io import BytesIO
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from PIL import Image

from models.errors import ForbiddenError, RequestError
from models.occlusion import overlay
from serving.engine.classifier import Classifier
from serving.http.errors import ANSWERING, documented
from serving.http.forms.body import read_body
from serving.http.forms.described import OPENAPI_BODY
from serving.http.forms.parameters import ExplainParameters
from serving.http.routes.dependencies import Patience, Service
from serving.http.routes.disconnect import while_connected
from serving.http.second_looks import Explained
from serving.service.explaining import Explanation

router = APIRouter(tags=["predict"], responses=documented(*ANSWERING, ForbiddenError))

PNG = "image/png"
_SIDE = 352  # pixels of the picture's longer side
_EXPLAINED: dict[str, Any] = {
    "openapi_extra": OPENAPI_BODY,
    "response_model": Explained,
    "responses": {200: {"content": {PNG: {"schema": {"type": "string", "format": "binary"}}}}},
}


@router.post("/v1/models/{model}:explain", **_EXPLAINED)
async def explain(
    model: str,
    request: Request,
    service: Service,
    patience: Patience,
    asked: Annotated[ExplainParameters, Query()],
) -> Explained | Response:
    """Tells which parts of a photo an answer hangs on; how much less likely it is with each of 7 x 7 parts hidden.

    Accept: image/png gets them drawn over the photo as the model sees it, red where the answer needs them and blue
    where they speak against it. It takes about fifty times as long as an answer, and counts as fifty images.
    """
    service.classifier(model)  # a wrong name is refused before the body is read
    service.explaining.refuse_if_off()
    with service.bodies.lease() as take:
        body = await read_body(request, service.settings, take, ExplainParameters.model_fields)
        parameters = asked.beside(body.parameters)
        if len(body.images) > 1:
            raise RequestError(f"the request holds {len(body.images)} images; one at a time is explained")
        classifier = service.classifier(model)  # another version may have come while the body did
        with while_connected(request):
            found = await service.explaining.explain(
                classifier,
                body.images[0],
                parameters.label,
                apply_exif=parameters.exif == "apply",
                timeout_s=patience.left_s,
            )
    if PNG in request.headers.get("accept", "").lower():
        return Response(await asyncio.to_thread(_drawn, found), media_type=PNG)
    return _told(classifier, found)


def _told(classifier: Classifier, found: Explanation) -> Explained:
    return Explained(
        model=classifier.metadata.name,
        version=str(classifier.metadata.version),
        prediction=found.prediction,
        label=found.label,
        fall=[[round(float(value), 6) for value in row] for row in found.fall],
    )


def _drawn(found: Explanation) -> bytes:
    seen = Image.fromarray(found.pixels.squeeze())
    factor = _SIDE / max(seen.size)
    size = (max(1, round(seen.width * factor)), max(1, round(seen.height * factor)))
    buffer = BytesIO()
    overlay(seen.resize(size, Image.Resampling.BICUBIC), found.fall).save(buffer, "PNG")
    return buffer.getvalue()
