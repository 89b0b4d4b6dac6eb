"""POST …:predict and /v1/predict: photos in, predictions out."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Query, Response
from pydantic_core import to_json

from models.errors import ImageError
from serving.engine.classifier import Prediction
from serving.http.errors import ANSWERING, documented, error_body
from serving.http.forms.body import Body, read_body
from serving.http.forms.described import OPENAPI_BODY
from serving.http.forms.parameters import PredictParameters, SeveralParameters
from serving.http.routes.dependencies import Call, Calling
from serving.http.routes.disconnect import while_connected
from serving.http.routes.lines import NDJSON, Lines, LinesResponse, wants_lines
from serving.http.routes.tensorflow_serving import to_columns
from serving.http.schemas import (
    ColumnsAnswer,
    ErrorBody,
    ModelAnswer,
    ModelsAnswer,
    PredictionOrError,
    Rows,
    with_key,
)
from serving.service.answers import Answer, Answers, Timing
from serving.versions.served_model import Route

router = APIRouter(tags=["predict"], responses=documented(*ANSWERING))

_Parameters = TypeVar("_Parameters", bound=PredictParameters)


Asked = Annotated[PredictParameters, Query()]
Answer_ = ModelAnswer | Rows | ColumnsAnswer
Shaped = Callable[[Body, dict[str, ModelAnswer]], object]
"""The body, and what each model says of it → the answer's JSON."""

_ONE: dict[str, Any] = {
    "openapi_extra": OPENAPI_BODY,
    "response_model": Answer_,
    "responses": {200: {"content": {NDJSON: {"schema": {"type": "string"}}}}},
}
_TIMING = ", ".join(f"{step};dur=%.2f" for step in Timing._fields)
_SEVERAL = {**_ONE, "response_model": ModelsAnswer}


@router.post("/v1/models/{model}:predict", **_ONE)
async def predict(model: str, call: Calling, asked: Asked) -> Answer_ | Response:
    """Asks one model about photos; JSON bodies are answered in TensorFlow Serving's form."""
    return await _predict_one(call, asked, model)


@router.post("/v1/models/{model}/versions/{version}:predict", **_ONE)
async def predict_version(model: str, version: str, call: Calling, asked: Asked) -> Answer_ | Response:
    """Asks one version of a model about photos; 404 if it is not loaded."""
    return await _predict_one(call, asked, model, version=version)


@router.post("/v1/models/{model}/labels/{label}:predict", **_ONE)
async def predict_label(model: str, label: str, call: Calling, asked: Asked) -> Answer_ | Response:
    """Asks the version of a model that a label names; such as `stable`."""
    return await _predict_one(call, asked, model, label=label)


@router.post("/v1/predict", **_SEVERAL)
async def predict_several(call: Calling, asked: Annotated[SeveralParameters, Query()]) -> ModelsAnswer | Response:
    """Asks several models about photos; each photo is decoded once. As `application/x-ndjson`, one line a photo."""
    if wants_lines(call.request):
        return await several_in_lines(call, asked, lambda _, results: ModelsAnswer(results=results))
    _, answers = await answer_several(call, asked)
    return ModelsAnswer(results=answers)


async def several_in_lines(call: Call, asked: SeveralParameters, shaped: Shaped) -> LinesResponse:
    """Asks several models about photos, and answers each as soon as it can, as ``shaped`` has it."""
    default = call.service.default_names
    for name in asked.names(default):
        call.service.classifier(name)  # a wrong name is refused before the body is read
    return await _in_lines(
        call, asked, lambda given: {name: call.service.route(name) for name in given.names(default)}, shaped
    )


async def answer_several(call: Call, asked: SeveralParameters) -> tuple[Body, dict[str, ModelAnswer]]:
    """The body, and what each model says of it, by name."""
    default = call.service.default_names
    for name in asked.names(default):
        call.service.classifier(name)  # a wrong name is refused before the body is read
    with call.service.bodies.lease() as take:
        body, parameters = await _read(call, asked, take)
        names = parameters.names(default)
        answers = await _ask(call, body, parameters, [call.service.route(name) for name in names])
    return body, {name: _model_answer(name, answers, body, parameters) for name in names}


async def _predict_one(
    call: Call, asked: PredictParameters, name: str, version: str | None = None, label: str | None = None
) -> Answer_ | Response:
    call.service.classifier(name, version, label)  # a wrong name is refused before the body is read
    if wants_lines(call.request):
        route = call.service.route
        return await _in_lines(
            call, asked, lambda _: {name: route(name, version, label)}, lambda _, results: results[name]
        )
    with call.service.bodies.lease() as take:
        body, parameters = await _read(call, asked, take)
        answers = await _ask(call, body, parameters, [call.service.route(name, version, label)])
    answer = _model_answer(name, answers, body, parameters)
    if body.form == "rows":
        return Rows(predictions=answer.predictions)
    if body.form == "columns":
        return ColumnsAnswer(outputs=to_columns(answer.predictions, body.keys))
    return answer


async def _in_lines(
    call: Call, asked: _Parameters, routes_of: Callable[[_Parameters], Mapping[str, Route]], shaped: Shaped
) -> LinesResponse:
    with ExitStack() as stack:
        body, parameters = await _read(call, asked, stack.enter_context(call.service.bodies.lease()))
        routes = routes_of(parameters)
        versions = {name: str(route.classifier.metadata.version) for name, route in routes.items()}

        def write(index: int, answer: Answer) -> bytes:
            alone = replace(body, keys=None if body.keys is None else [body.keys[index]])
            answers = Answers([answer], Timing(), versions)
            results = {name: _model_answer(name, answers, alone, parameters) for name in routes}
            return to_json(shaped(body, results))

        lines = Lines(write)
        content = lines.of(_answers(call, body, parameters, list(routes.values()), lines.tell))
        with while_connected(call.request):
            first = await anext(content)
        return LinesResponse(first, content, stack.pop_all())


async def _read(call: Call, asked: _Parameters, take: Callable[[int], None]) -> tuple[Body, _Parameters]:
    """The body, and the parameters with those that it holds."""
    body = await read_body(call.request, call.service.settings, take, type(asked).model_fields)
    return body, asked.beside(body.parameters)


async def _ask(call: Call, body: Body, parameters: PredictParameters, routes: Sequence[Route]) -> Answers:
    with while_connected(call.request):
        answers = await _answers(call, body, parameters, routes)
    call.headers["Server-Timing"] = server_timing(answers.timing)
    return answers


async def _answers(
    call: Call,
    body: Body,
    parameters: PredictParameters,
    routes: Sequence[Route],
    tell: Callable[[int, Answer], None] | None = None,
) -> Answers:
    """A single image that is bad is an error of the whole call, and told as that alone."""
    alone = len(body.images) == 1
    answers = await call.service.predict(
        routes,
        body.images,
        apply_exif=parameters.exif == "apply",
        timeout_s=call.patience.left_s,
        tell=partial(_unless_bad, tell) if alone and tell is not None else tell,
    )
    if alone and isinstance(answers.images[0], ImageError):
        raise answers.images[0]
    return answers


def _unless_bad(tell: Callable[[int, Answer], None], index: int, answer: Answer) -> None:
    if not isinstance(answer, ImageError):
        tell(index, answer)


def _model_answer(name: str, answers: Answers, body: Body, parameters: PredictParameters) -> ModelAnswer:
    rows: list[PredictionOrError] = [_prediction(name, answer, parameters.top_k) for answer in answers.images]
    if body.keys is not None:
        rows = [with_key(row, key) for row, key in zip(rows, body.keys, strict=True)]
    return ModelAnswer(model=name, version=answers.versions[name], predictions=rows)


def _prediction(name: str, answer: Answer, top_k: int | None) -> Prediction | ErrorBody:
    if isinstance(answer, ImageError):
        return error_body(answer)
    return answer[name] if top_k is None else answer[name].top(top_k)


def server_timing(timing: Timing) -> str:
    """https://www.w3.org/TR/server-timing/, in milliseconds."""
    return _TIMING % tuple([1000 * seconds for seconds in timing])
