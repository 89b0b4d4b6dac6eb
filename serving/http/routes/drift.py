"""GET /v1/models/{model}/drift: do people's photos look like those that the model was made for?"""

from collections.abc import Sequence
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Request

from models.errors import ModelNotFoundError, NoReferenceError
from serving.engine.classifier import Classifier
from serving.http.errors import documented
from serving.http.routes.dependencies import Service
from serving.http.second_looks import FeatureDrift, ModelDrift
from serving.observability import drift as observed

router = APIRouter(tags=["models"], responses=documented(ModelNotFoundError))


async def _drift(request: Request) -> observed.Drift:
    return cast(observed.Drift, request.app.state.metrics.drift)


Drift = Annotated[observed.Drift, Depends(_drift)]


@router.get("/v1/models/{model}/drift")
async def model_drift(model: str, service: Service, drift: Drift) -> ModelDrift:
    """Compares what the last pictures look like to a model with its own; from an index of 0.25 on, they differ."""
    return _told(service.classifier(model), drift)


@router.get("/v1/models/{model}/versions/{version}/drift")
async def version_drift(model: str, version: str, service: Service, drift: Drift) -> ModelDrift:
    """Does so for one version; canaries and shadows see pictures too."""
    return _told(service.classifier(model, version), drift)


def _told(classifier: Classifier, drift: observed.Drift) -> ModelDrift:
    metadata = classifier.metadata
    if metadata.reference is None:
        raise NoReferenceError(
            f"the file of {metadata.name} version {metadata.version} does not say what its own photos look like; "
            "`loupe-train reference` writes that into it"
        )
    features = {feature: _shares(one) for feature, one in drift.of(metadata).items()}
    return ModelDrift(
        model=metadata.name,
        version=str(metadata.version),
        reference_pictures=metadata.reference.pictures,
        enough_pictures=observed.ENOUGH,
        features=features,
    )


def _shares(one: observed.FeatureDrift) -> FeatureDrift:
    return FeatureDrift(
        index=None if one.index is None else round(one.index, 4),
        pictures=one.pictures,
        edges=list(one.reference.edges),
        reference=_of_all(one.reference.counts),
        now=None if one.counts is None else _of_all(one.counts),
    )


def _of_all(counts: Sequence[int]) -> list[float]:
    return [round(count / sum(counts), 4) for count in counts]
