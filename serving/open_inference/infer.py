"""An infer call → its answer, and what a model takes: the one way into the service for HTTP and gRPC."""

from collections.abc import Sequence
from math import prod

from models.errors import ImageError, RequestError
from serving.engine.classifier import Prediction
from serving.open_inference.messages import (
    BYTES_A_VALUE,
    OUTPUT,
    InferRequest,
    InferResponse,
    ModelMetadataResponse,
    OutputTensor,
    RequestedOutput,
    parameter,
)
from serving.open_inference.tensors import read_image, size_bytes
from serving.parsing.off_loop import off_loop
from serving.service import PredictionService
from serving.service.answers import Answers, Timing
from serving.versions.served_model import Route

_MICROSECONDS = 1_000_000


def describe(service: PredictionService, name: str, version: str | None) -> ModelMetadataResponse:
    """What a model takes and gives, and all its loaded versions.

    Raises:
        ModelNotFoundError: it is not loaded.
    """
    metadata = service.classifier(name, version).metadata
    return ModelMetadataResponse.of(metadata, [str(number) for number in sorted(service.model(name).versions)])


async def infer(
    service: PredictionService, name: str, version: str | None, request: InferRequest, timeout_s: float
) -> tuple[InferResponse, Timing]:
    """Answers an infer call.

    Args:
        service: the loaded classifiers.
        name: the model.
        version: None: the one that answers unversioned calls.
        request: its parameter ``timeout``, in microseconds, may shorten ``timeout_s``, and ``exif`` may be ``ignore``.
        timeout_s: seconds until the caller wants no answer any more.

    Raises:
        RequestError: the call is malformed, or one of its images cannot be used.
        LoupeError: as ``PredictionService.predict``.
    """
    route = service.route(name, version)
    counts = _wanted(request)
    with route.in_use():  # reading may take a while, and a version may be given up at any
        answers = await _ask(service, route, request, timeout_s)
    predictions, labels = _predictions(answers, name), route.classifier.metadata.label_names
    work = len(predictions) * len(labels) * BYTES_A_VALUE
    outputs = await off_loop(lambda: [_output(predictions, labels, count) for count in counts], work)
    version = answers.versions[name]
    return InferResponse(model_name=name, model_version=version, id=request.id, outputs=outputs), answers.timing


async def _ask(service: PredictionService, route: Route, request: InferRequest, timeout_s: float) -> Answers:
    asked_us = parameter(request.parameters, "timeout", 0)
    if asked_us and asked_us < timeout_s * _MICROSECONDS:  # JSON's whole numbers may be too large for a fraction
        timeout_s = max(asked_us, 1) / _MICROSECONDS
    apply_exif = _apply_exif(request)
    shape, max_images = route.classifier.metadata.preprocessing.shape, service.settings.max_request_images
    image = await off_loop(lambda: read_image(request, shape, max_images), size_bytes(request))
    if not len(image):
        raise RequestError("the request holds no image; at least one is needed")
    if isinstance(image, list):
        return await service.predict([route], image, apply_exif=apply_exif, timeout_s=timeout_s)
    return await service.predict_pixels(route, image, timeout_s=timeout_s)


def max_values(service: PredictionService, name: str, version: str | None) -> int:
    """The most numbers of any tensor that the model may be sent.

    Raises:
        ModelNotFoundError: it is not loaded.
    """
    shape = service.classifier(name, version).metadata.preprocessing.shape
    return service.settings.max_request_images * prod(shape)


def _wanted(request: InferRequest) -> list[int]:
    """For each output that is wanted, how many classes of it; 0: the tensor itself."""
    outputs = [RequestedOutput(name=OUTPUT)] if request.outputs is None else request.outputs
    if [output.name for output in outputs] not in ([], [OUTPUT]):
        given = ", ".join(repr(output.name[:100]) for output in outputs[:5])
        raise RequestError(f"the outputs {given} are wanted; there is one, {OUTPUT!r}")
    counts = [parameter(output.parameters, "classification", 0) for output in outputs]
    if any(count < 0 for count in counts):
        raise RequestError(f"the parameter classification is {min(counts)}; it must not be negative")
    if any("shared_memory_region" in output.parameters for output in outputs):
        raise RequestError(f"the output {OUTPUT} is wanted in shared memory, which is not offered")
    return counts or [0]


def _apply_exif(request: InferRequest) -> bool:
    exif = parameter(request.parameters, "exif", "apply")
    if exif not in ("apply", "ignore"):
        raise RequestError(f"the parameter exif is {exif[:100]!r}; allowed are 'apply' and 'ignore'")
    return exif == "apply"


def _predictions(answers: Answers, name: str) -> list[Prediction]:
    predictions = []
    for number, answer in enumerate(answers.images, start=1):
        if isinstance(answer, ImageError):  # a tensor has no place for it
            raise RequestError(f"image {number} of {len(answers.images)}: {answer}") from answer
        predictions.append(answer[name])
    return predictions


def _output(predictions: Sequence[Prediction], labels: Sequence[str], count: int) -> OutputTensor:
    rows = [list(prediction.probabilities.values()) for prediction in predictions]
    if not count:
        flat = [value for row in rows for value in row]
        return OutputTensor(name=OUTPUT, datatype="FP32", shape=[len(rows), len(labels)], data=flat)
    count = min(count, len(labels))
    classes = [text for row in rows for text in _classes(row, labels)[:count]]
    return OutputTensor(name=OUTPUT, datatype="BYTES", shape=[len(rows), count], data=classes)


def _classes(row: Sequence[float], labels: Sequence[str]) -> list[str]:
    """``value:index:label``, likeliest first, as the classification extension writes them."""
    order = sorted(range(len(labels)), key=lambda index: -row[index])
    return [f"{row[index]:.6f}:{index}:{labels[index]}" for index in order]
