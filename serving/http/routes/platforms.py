"""SageMaker's and Vertex AI's contracts with a container: where they ask for health and for predictions.

What they send is what ``/v1/predict`` takes. ``instances`` are answered with ``predictions``, one for each, as Vertex
AI wants it: of one model its prediction, of several an object by their names. Whoever accepts lines gets them.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from serving.http.forms.body import Body
from serving.http.forms.parameters import SeveralParameters
from serving.http.routes.dependencies import Calling, Service
from serving.http.routes.health import ready
from serving.http.routes.lines import wants_lines
from serving.http.routes.predict import answer_several, several_in_lines
from serving.http.schemas import ModelAnswer, Ready
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


async def _invoke(call: Calling, asked: Annotated[SeveralParameters, Query()]) -> Any:  # noqa: ANN401
    if wants_lines(call.request):
        return await several_in_lines(call, asked, _shaped)
    return _shaped(*await answer_several(call, asked))


def _shaped(body: Body, answers: dict[str, ModelAnswer]) -> dict[str, Any] | ModelAnswer:
    models = list(answers.values())
    if body.form == "plain":
        return models[0] if len(models) == 1 else {"results": answers}
    rows = zip(*(answer.predictions for answer in models), strict=True)
    return {"predictions": [row[0] if len(models) == 1 else dict(zip(answers, row, strict=True)) for row in rows]}
