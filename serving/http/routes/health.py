"""GET /health…, /version: is it up, and which one is it."""

from fastapi import APIRouter

from models.errors import NotReadyError
from serving.engine.runtime import onnxruntime
from serving.http.errors import documented
from serving.http.routes.dependencies import Service
from serving.http.schemas import (
    Headline,
    Health,
    Live,
    ModelHealth,
    ModelVersion,
    Offers,
    Ready,
    ServiceVersion,
    Version,
)
from serving.service import PredictionService
from serving.settings.version import git_revision, service_version

router = APIRouter(tags=["health"])
root_router = APIRouter(include_in_schema=False)
"""For servers without a page; KServe's probes and many a load balancer ask there."""


@root_router.get("/")
async def alive() -> dict[str, str]:
    """As KServe's servers say it."""
    return {"status": "alive"}


@router.get("/health/live")
async def live() -> Live:
    """Says that the event loop turns."""
    return Live()


@router.get("/health/ready", responses=documented(NotReadyError))
async def ready(service: Service) -> Ready:
    """Says whether every model is loaded, warm and right on its golden samples; else 503."""
    if (reason := service.unready) is not None:
        raise NotReadyError(reason)
    return Ready()


@router.get("/health")
async def health(service: Service) -> Health:
    """Tells how it is, model by model; always 200, as it is a report."""
    models = {
        name: ModelHealth(version=str(classifier.metadata.version), ready=service.ready)
        for name, classifier in service.classifiers.items()
    }
    return Health(live=True, ready=service.ready, models=models)


@router.get("/version")
async def version(service: Service) -> Version:
    """Tells what runs; each model with its labels and three figures, of which its metadata has more."""
    models = _models(service)
    return Version(
        service=ServiceVersion(version=service_version(), git_revision=git_revision()),
        onnxruntime=onnxruntime.__version__,
        provider=", ".join(sorted({model.provider for model in models.values()})),
        offers=_offers(service),
        models=models,
    )


def _offers(service: PredictionService) -> Offers:
    taken = service.settings.feedback is not None
    return Offers(
        explain=service.explaining.are_given,
        feedback=taken,
        feedback_photos=taken and service.settings.feedback_photos,
    )


def _models(service: PredictionService) -> dict[str, ModelVersion]:
    return {
        name: ModelVersion(
            version=str(classifier.metadata.version),
            sha256=classifier.model.sha256,
            provider=classifier.model.provider,
            labels=list(classifier.metadata.label_names),
            metrics=Headline.of(classifier.metadata.metrics),
        )
        for name, classifier in service.classifiers.items()
    }
