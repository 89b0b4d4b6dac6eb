"""POST …:predict and /v1/predict: photos in, predictions out."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Query, Request, Response

from models.errors import ImageError
from serving.engine.classifier import Prediction
from serving.http.errors import ANSWERING, documented, error_body
from serving.http.forms.body import Body, read_body
from serving.http.forms.described import OPENAPI_BODY
from serving.http.forms.parameters import PredictParameters, SeveralParameters
from serving.http.routes.dependencies import Patience, Service
from serving.http.routes.disconnect import while_connected
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
from serving.service import PredictionService
from serving.service.answers import Answer, Answers, Timing
from serving.versions.served_model import Route

router = APIRouter(tags=["predict"], responses=documented(*ANSWERING))

_Parameters = TypeVar("_Parameters", bound=PredictParameters)


@dataclass(frozen=True)
class _Call:
    """What every predict route gets."""

    request: Request
    response: Response
    service: PredictionService
    patience: Patience


async def _call(request: Request, response: Response, service: Service, patience: Patience) -> _Call:
    return _Call(request, response, service, patience)


Call = Annotated[_Call, Depends(_call)]
Asked = Annotated[PredictParameters, Query()]
Answer_ = ModelAnswer | Rows | ColumnsAnswer


@router.post("/v1/models/{model}:predict", openapi_extra=OPENAPI_BODY)
async def predict(model: str, call: Call, asked: Asked) -> Answer_:
    """Asks one model about photos; JSON bodies are answered in TensorFlow Serving's form."""
    return await _predict_one(call, asked, model)


@router.post("/v1/models/{model}/versions/{version}:predict", openapi_extra=OPENAPI_BODY)
async def predict_version(model: str, version: str, call: Call, asked: Asked) -> Answer_:
    """Asks one version of a model about photos; 404 if it is not loaded."""
    return await _predict_one(call, asked, model, version=version)


@router.post("/v1/models/{model}/labels/{label}:predict", openapi_extra=OPENAPI_BODY)
async def predict_label(model: str, label: str, call: Call, asked: Asked) -> Answer_:
    """Asks the version of a model that a label names; such as `stable`."""
    return await _predict_one(call, asked, model, label=label)


@router.post("/v1/predict", openapi_extra=OPENAPI_BODY)
async def predict_several(call: Call, asked: Annotated[SeveralParameters, Query()]) -> ModelsAnswer:
    """Asks several models about photos; each photo is decoded once."""
    _, answers = await answer_several(call, asked)
    return ModelsAnswer(results=answers)


async def answer_several(call: _Call, asked: SeveralParameters) -> tuple[Body, dict[str, ModelAnswer]]:
    """The body, and what each model says of it, by name."""
    default = call.service.default_names
    _check(call.service, asked.names(default))
    async with _reading(call, asked) as (body, parameters):
        names = parameters.names(default)
        answers = await _ask(call, body, parameters, [call.service.route(name) for name in names])
    return body, {name: _model_answer(name, answers, body, parameters) for name in names}


async def _predict_one(
    call: _Call, asked: PredictParameters, name: str, version: str | None = None, label: str | None = None
) -> Answer_:
    _check(call.service, [name], version, label)
    async with _reading(call, asked) as (body, parameters):
        answers = await _ask(call, body, parameters, [call.service.route(name, version, label)])
    answer = _model_answer(name, answers, body, parameters)
    if body.form == "rows":
        return Rows(predictions=answer.predictions)
    if body.form == "columns":
        return ColumnsAnswer(outputs=to_columns(answer.predictions, body.keys))
    return answer


def _check(
    service: PredictionService, names: Sequence[str], version: str | None = None, label: str | None = None
) -> None:
    """A wrong name is refused before the body is read."""
    for name in names:
        service.classifier(name, version, label)


@asynccontextmanager
async def _reading(call: _Call, asked: _Parameters) -> AsyncIterator[tuple[Body, _Parameters]]:
    """The body, and the parameters with those that it holds; inside, its bytes stay counted."""
    with call.service.bodies.lease() as take:
        body = await read_body(call.request, call.service.settings, take, list(type(asked).model_fields))
        yield body, asked.beside(body.parameters)


async def _ask(call: _Call, body: Body, parameters: PredictParameters, routes: Sequence[Route]) -> Answers:
    async with while_connected(call.request):
        apply_exif, timeout_s = parameters.exif == "apply", call.patience.left_s
        answers = await call.service.predict(routes, body.images, apply_exif=apply_exif, timeout_s=timeout_s)
    if len(answers.images) == 1 and isinstance(answers.images[0], ImageError):
        raise answers.images[0]
    call.response.headers["Server-Timing"] = server_timing(answers.timing)
    return answers


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
    return ", ".join(f"{step};dur={seconds * 1000:.2f}" for step, seconds in timing._asdict().items())
