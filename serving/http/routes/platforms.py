"""SageMaker's and Vertex AI's contracts with a container: where they ask for health and for predictions.

What they send is what ``/v1/predict`` takes. ``instances`` are answered with ``predictions``, one for each, as Vertex
AI wants it: of one model its prediction, of several an object by their names.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from serving.http.forms.parameters import SeveralParameters
from serving.http.routes.dependencies import Service
from serving.http.routes.health import ready
from serving.http.routes.predict import Call, answer_several
from serving.http.schemas import Ready
from serving.settings.platforms import Platform

PING, INVOCATIONS = "/ping", "/invocations"


def ping_router(platform: Platform) -> APIRouter:
    """Health, which no key guards: so it comes before all other routes, and no other can be opened by its name."""
    router = APIRouter(include_in_schema=False)
    for path in dict.fromkeys((PING, platform.health_route or PING)):
        router.add_api_route(path, _ping, methods=["GET", "POST"])
    return router


def invocations_router(platform: Platform) -> APIRouter:
    """Predictions; it comes last, so that Vertex AI may also be told to ask a route of ours."""
    router = APIRouter(include_in_schema=False)
    for path in dict.fromkeys((INVOCATIONS, platform.predict_route or INVOCATIONS)):
        router.add_api_route(path, _invoke, methods=["POST"], response_model=None)
    return router


async def _ping(service: Service) -> Ready:
    return await ready(service)


async def _invoke(call: Call, asked: Annotated[SeveralParameters, Query()]) -> Any:  # noqa: ANN401
    body, answers = await answer_several(call, asked)
    models = list(answers.values())
    if body.form == "plain":
        return models[0] if len(models) == 1 else {"results": answers}
    rows = zip(*(answer.predictions for answer in models), strict=True)
    return {"predictions": [row[0] if len(models) == 1 else dict(zip(answers, row, strict=True)) for row in rows]}
