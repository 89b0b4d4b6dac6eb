"""POST …:predict and /v1/predict: photos in, predictions out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response

from models.errors import ImageError, RequestError
from serving.http.errors import ANSWERING, documented, error_body
from serving.http.routes.body import OPENAPI_BODY, Body, read_body
from serving.http.routes.dependencies import Patience, Service
from serving.http.routes.disconnect import while_connected
from serving.http.routes.tensorflow_serving import to_columns
from serving.http.schemas import ColumnsAnswer, ModelAnswer, ModelsAnswer, PredictionOrError, Rows
from serving.service import PredictionService
from serving.service.answers import Answer, Answers, Timing

router = APIRouter(tags=["predict"], responses=documented(*ANSWERING))


@dataclass(frozen=True)
class _Call:
    """What every predict route gets."""

    request: Request
    response: Response
    service: PredictionService
    top_k: int | None
    apply_exif: bool
    patience: Patience


async def _call(
    request: Request,
    response: Response,
    service: Service,
    patience: Patience,
    top_k: Annotated[int | None, Query(ge=1, description="Keep only the likeliest labels in `probabilities`.")] = None,
    exif: Annotated[Literal["apply", "ignore"], Query(description="`ignore` judges the stored pixels.")] = "apply",
) -> _Call:
    return _Call(request, response, service, top_k, exif == "apply", patience)


Call = Annotated[_Call, Depends(_call)]


@router.post("/v1/models/{model}:predict", openapi_extra=OPENAPI_BODY)
async def predict(model: str, call: Call) -> ModelAnswer | Rows | ColumnsAnswer:
    """Predictions of one model; JSON bodies are answered in TensorFlow Serving's form."""
    return await _predict_one(call, model)


@router.post("/v1/models/{model}/versions/{version}:predict", openapi_extra=OPENAPI_BODY)
async def predict_version(model: str, version: str, call: Call) -> ModelAnswer | Rows | ColumnsAnswer:
    """The same of one version, if it is loaded; else 404."""
    return await _predict_one(call, model, version=version)


@router.post("/v1/models/{model}/labels/{label}:predict", openapi_extra=OPENAPI_BODY)
async def predict_label(model: str, label: str, call: Call) -> ModelAnswer | Rows | ColumnsAnswer:
    """The same of the version that a label such as `stable` names."""
    return await _predict_one(call, model, label=label)


@router.post("/v1/predict", openapi_extra=OPENAPI_BODY)
async def predict_several(
    call: Call,
    models: Annotated[str | None, Query(description="Names, separated by commas; without, all default models.")] = None,
) -> ModelsAnswer:
    """Predictions of several models; each image is decoded once."""
    names = call.service.default_names if models is None else [name.strip() for name in models.split(",")]
    if not names:
        raise RequestError("no model answers by default; name some with `?models=`")
    _, answers = await _ask(call, names)
    return ModelsAnswer(results={name: _model_answer(name, answers, call) for name in names})


async def _predict_one(
    call: _Call, name: str, version: str | None = None, label: str | None = None
) -> ModelAnswer | Rows | ColumnsAnswer:
    body, answers = await _ask(call, [name], version, label)
    answer = _model_answer(name, answers, call)
    if body.form == "rows":
        return Rows(predictions=answer.predictions)
    if body.form == "columns":
        return ColumnsAnswer(outputs=to_columns(answer.predictions))
    return answer


async def _ask(
    call: _Call, names: Sequence[str], version: str | None = None, label: str | None = None
) -> tuple[Body, Answers]:
    service = call.service
    for name in names:
        service.classifier(name, version, label)  # a wrong name is refused before the body is read
    with service.bodies.lease() as take:
        body = await read_body(call.request, service.settings, take)
        async with while_connected(call.request):
            routes = [service.route(name, version, label) for name in names]
            answers = await service.predict(
                routes, body.images, apply_exif=call.apply_exif, timeout_s=call.patience.left_s
            )
    if len(answers.images) == 1 and isinstance(answers.images[0], ImageError):
        raise answers.images[0]
    call.response.headers["Server-Timing"] = server_timing(answers.timing)
    return body, answers


def _model_answer(name: str, answers: Answers, call: _Call) -> ModelAnswer:
    predictions = [_prediction(name, answer, call.top_k) for answer in answers.images]
    return ModelAnswer(model=name, version=answers.versions[name], predictions=predictions)


def _prediction(name: str, answer: Answer, top_k: int | None) -> PredictionOrError:
    if isinstance(answer, ImageError):
        return error_body(answer)
    return answer[name] if top_k is None else answer[name].top(top_k)


def server_timing(timing: Timing) -> str:
    """https://www.w3.org/TR/server-timing/, in milliseconds."""
    return ", ".join(f"{step};dur={seconds * 1000:.2f}" for step, seconds in timing._asdict().items())
