"""POST /v1/models/{model}:feedback: what is right where an answer is wrong."""

from typing import Annotated, cast

from fastapi import APIRouter, Depends, Query, Request

from models.errors import ForbiddenError, RequestError, StorageFullError
from serving.http.errors import ANSWERING, documented
from serving.http.forms.body import read_body
from serving.http.forms.described import OPENAPI_BODY
from serving.http.forms.parameters import FeedbackParameters
from serving.http.routes.dependencies import Patience, Service
from serving.http.routes.disconnect import while_connected
from serving.http.second_looks import KeptCorrection
from serving.upright.feedback import Feedback

router = APIRouter(tags=["predict"], responses=documented(*ANSWERING, ForbiddenError, StorageFullError))


async def _feedback(request: Request) -> Feedback:
    return cast(Feedback, request.app.state.feedback)


@router.post("/v1/models/{model}:feedback", openapi_extra=OPENAPI_BODY)
async def correct(
    model: str,
    request: Request,
    service: Service,
    feedback: Annotated[Feedback, Depends(_feedback)],
    patience: Patience,
    asked: Annotated[FeedbackParameters, Query()],
) -> KeptCorrection:
    """Keeps what is right where an answer is wrong; off unless the operator has named a folder for it.

    The photo is asked about again. Kept are its digest, the answer and the right label, and the photo only where the
    operator wants that too; a later correction of the same photo takes the place of an earlier one.
    """
    service.classifier(model)  # a wrong name is refused before the body is read
    feedback.corrections.refuse_if_off()
    with service.bodies.lease() as take:
        body = await read_body(request, service.settings, take, FeedbackParameters.model_fields)
        right = asked.beside(body.parameters).label
        if right is None or len(body.images) > 1:
            raise RequestError("a correction is of one photo, and names the right label: ?label=…")
        with while_connected(request):
            kept = await feedback.take(service.classifier(model), body.images[0], right, timeout_s=patience.left_s)
    said = kept.correction
    return KeptCorrection(
        model=said.model, version=said.version, prediction=said.answer, label=said.label, photo=kept.photo
    )
