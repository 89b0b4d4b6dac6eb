"""POST …:predict and /v1/predict: photos in, predictions out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from models.errors import ImageError, RequestError
from serving.errors import STATUSES, documented, error_body
from serving.routes.body import OPENAPI_BODY, Body, read_body
from serving.routes.dependencies import Service
from serving.routes.tensorflow_serving import to_columns
from serving.schemas import ColumnsAnswer, ModelAnswer, ModelsAnswer, PredictionOrError, Rows
from serving.service import Answer, Answers, PredictionService, Timing

router = APIRouter(tags=["predict"], responses=documented(*STATUSES))


@dataclass(frozen=True)
class _Call:
    """What every predict route gets."""

    request: Request
    response: Response
    service: PredictionService
    top_k: int | None
    apply_exif: bool
    timeout_s: float


async def _call(
    request: Request,
    response: Response,
    service: Service,
    top_k: Annotated[int | None, Query(ge=1, description="Keep only the likeliest labels in `probabilities`.")] = None,
    exif: Annotated[Literal["apply", "ignore"], Query(description="`ignore` judges the stored pixels.")] = "apply",
    request_timeout: Annotated[float | None, Header(gt=0, description="Seconds until no answer is wanted.")] = None,
) -> _Call:
    longest_s = service.settings.request_timeout_s
    timeout_s = longest_s if request_timeout is None else min(request_timeout, longest_s)
    return _Call(request, response, service, top_k, exif == "apply", timeout_s)


Call = Annotated[_Call, Depends(_call)]


@router.post("/v1/models/{model}:predict", openapi_extra=OPENAPI_BODY)
async def predict(model: str, call: Call) -> ModelAnswer | Rows | ColumnsAnswer:
    """Predictions of one model; JSON bodies are answered in TensorFlow Serving's form."""
    return await _predict_one(model, None, call)


@router.post("/v1/models/{model}/versions/{version}:predict", openapi_extra=OPENAPI_BODY)
async def predict_version(model: str, version: str, call: Call) -> ModelAnswer | Rows | ColumnsAnswer:
    """The same, if that version is the one that is loaded; else 404."""
    return await _predict_one(model, version, call)


@router.post("/v1/predict", openapi_extra=OPENAPI_BODY)
async def predict_several(
    call: Call,
    models: Annotated[str | None, Query(description="Names, separated by commas; without, all default models.")] = None,
) -> ModelsAnswer:
    """Predictions of several models; each image is decoded once."""
    names = call.service.default_names if models is None else [name.strip() for name in models.split(",")]
    if not names:
        raise RequestError("no model answers by default; name some with `?models=`")
    _, answers = await _ask(names, call)
    return ModelsAnswer(results={name: _model_answer(name, answers, call) for name in names})


async def _predict_one(name: str, version: str | None, call: _Call) -> ModelAnswer | Rows | ColumnsAnswer:
    call.service.classifier(name, version)
    body, answers = await _ask([name], call)
    answer = _model_answer(name, answers, call)
    if body.form == "rows":
        return Rows(predictions=answer.predictions)
    if body.form == "columns":
        return ColumnsAnswer(outputs=to_columns(answer.predictions))
    return answer


async def _ask(names: Sequence[str], call: _Call) -> tuple[Body, Answers]:
    service = call.service
    for name in names:
        service.classifier(name)  # a wrong name is refused before the body is read
    with service.bodies.lease() as take:
        body = await read_body(call.request, service.settings, take)
        answers = await service.predict(names, body.images, apply_exif=call.apply_exif, timeout_s=call.timeout_s)
    if len(answers.images) == 1 and isinstance(answers.images[0], ImageError):
        raise answers.images[0]
    call.response.headers["Server-Timing"] = _server_timing(answers.timing)
    return body, answers


def _model_answer(name: str, answers: Answers, call: _Call) -> ModelAnswer:
    version = str(call.service.classifier(name).metadata.version)
    predictions = [_prediction(name, answer, call.top_k) for answer in answers.images]
    return ModelAnswer(model=name, version=version, predictions=predictions)


def _prediction(name: str, answer: Answer, top_k: int | None) -> PredictionOrError:
    if isinstance(answer, ImageError):
        return error_body(answer)
    return answer[name] if top_k is None else answer[name].top(top_k)


def _server_timing(timing: Timing) -> str:
    """https://www.w3.org/TR/server-timing/, in milliseconds."""
    return ", ".join(f"{step};dur={seconds * 1000:.2f}" for step, seconds in timing._asdict().items())
