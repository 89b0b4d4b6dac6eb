"""TensorFlow Serving's REST API: GET /v1/models…, and its answer by columns.

Source: https://github.com/tensorflow/serving/blob/master/tensorflow_serving/g3doc/api_rest.md
"""

from collections.abc import Sequence

from fastapi import APIRouter

from models.errors import ModelNotFoundError
from models.metadata import ModelMetadata
from serving.engine.classifier import Classifier
from serving.http.errors import documented
from serving.http.routes.dependencies import Service
from serving.http.schemas import (
    Columns,
    ErrorBody,
    Key,
    LoadedModel,
    LoadedModels,
    ModelStatus,
    PredictionOrError,
    State,
    VersionStatus,
)
from serving.service import PredictionService

router = APIRouter(tags=["models"], responses=documented(ModelNotFoundError))

_STATES: dict[str, State] = {"READY": "AVAILABLE", "LOADING": "LOADING", "UNLOADING": "UNLOADING"}
"""Ours → TensorFlow Serving's, of versions in memory."""

_OUTPUTS = {
    "label": ("DT_STRING", 1),
    "probability": ("DT_FLOAT", 1),
    "certain": ("DT_BOOL", 1),
    "labels": ("DT_STRING", 2),
    "probabilities": ("DT_FLOAT", 2),
}


@router.get("/v1/models")
async def list_models(service: Service) -> LoadedModels:
    """Lists what is loaded."""
    return LoadedModels(models=[_loaded(classifier) for classifier in service.classifiers.values()])


@router.get("/v1/models/{model}")
async def model_status(model: str, service: Service) -> ModelStatus:
    """TensorFlow Serving's status of a model; of all versions in memory, those first that can be asked."""
    service.model(model)
    states = [(one.state, one.version) for one in service.registry.in_memory(model)]
    return ModelStatus(
        model_version_status=[
            VersionStatus(version=version, state=_state(service, theirs))
            for ours, theirs in _STATES.items()
            for state, version in reversed(states)
            if state == ours
        ],
        name=model,
        ready=service.ready,
    )


@router.get("/v1/models/{model}/versions/{version}")
async def version_status(model: str, version: str, service: Service) -> ModelStatus:
    """TensorFlow Serving's status of one version."""
    return _status(service, service.classifier(model, version))


@router.get("/v1/models/{model}/labels/{label}")
async def label_status(model: str, label: str, service: Service) -> ModelStatus:
    """TensorFlow Serving's status of the version that a label names."""
    return _status(service, service.classifier(model, label=label))


@router.get("/v1/models/{model}/metadata")
async def model_metadata(model: str, service: Service) -> dict[str, object]:
    """TensorFlow Serving's metadata of a model; with all that the file says of itself under `metadata.loupe`."""
    return _metadata(service.classifier(model).metadata)


@router.get("/v1/models/{model}/versions/{version}/metadata")
async def version_metadata(model: str, version: str, service: Service) -> dict[str, object]:
    """TensorFlow Serving's metadata of one version."""
    return _metadata(service.classifier(model, version).metadata)


@router.get("/v1/models/{model}/labels/{label}/metadata")
async def label_metadata(model: str, label: str, service: Service) -> dict[str, object]:
    """TensorFlow Serving's metadata of the version that a label names."""
    return _metadata(service.classifier(model, label=label).metadata)


def to_columns(predictions: Sequence[PredictionOrError], keys: Sequence[Key] | None = None) -> Columns:
    """Turns rows into one list for each named output."""
    good = [None if isinstance(row, ErrorBody) else row for row in predictions]
    bad = [row if isinstance(row, ErrorBody) else None for row in predictions]
    return Columns(
        label=[row.label if row else None for row in good],
        probability=[row.probability if row else None for row in good],
        certain=[row.certain if row else None for row in good],
        labels=[list(row.probabilities) if row else None for row in good],
        probabilities=[list(row.probabilities.values()) if row else None for row in good],
        attributes=[row.attributes if row else None for row in good],
        error=[row.error if row else None for row in bad] if any(bad) else None,
        error_type=[row.error_type if row else None for row in bad] if any(bad) else None,
        key=None if keys is None else list(keys),
    )


def _loaded(classifier: Classifier) -> LoadedModel:
    facts = classifier.metadata
    return LoadedModel(
        name=facts.name,
        version=str(facts.version),
        description=facts.description,
        default=facts.default,
        labels=list(facts.label_names),
        provider=classifier.model.provider,
    )


def _status(service: PredictionService, classifier: Classifier) -> ModelStatus:
    """Of a version that is loaded."""
    one = VersionStatus(version=str(classifier.metadata.version), state=_state(service, "AVAILABLE"))
    return ModelStatus(model_version_status=[one], name=classifier.metadata.name, ready=service.ready)


def _state(service: PredictionService, state: State) -> State:
    return "UNLOADING" if state == "AVAILABLE" and not service.ready else state


def _metadata(facts: ModelMetadata) -> dict[str, object]:
    outputs = {name: _tensor(name, dtype, rank, len(facts.labels)) for name, (dtype, rank) in _OUTPUTS.items()}
    signature = {
        "inputs": {"image": _tensor("image", "DT_STRING", 1, 0)},
        "outputs": outputs,
        "method_name": "tensorflow/serving/predict",
    }
    return {
        "model_spec": {"name": facts.name, "signature_name": "", "version": str(facts.version)},
        "metadata": {
            "signature_def": {"signature_def": {"serving_default": signature}},
            "loupe": facts.model_dump(mode="json"),
        },
    }


def _tensor(name: str, dtype: str, rank: int, columns: int) -> dict[str, object]:
    """TensorInfo as JSON: sizes are strings, -1 the free batch axis."""
    sizes = ["-1", str(columns)][:rank]
    dim = [{"size": size, "name": ""} for size in sizes]
    return {"dtype": dtype, "tensor_shape": {"dim": dim, "unknown_rank": False}, "name": name}
