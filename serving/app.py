"""create_app: the loaded service behind its routes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from serving.errors import add_error_handlers
from serving.logging import RequestLog
from serving.routes import health, predict, tensorflow_serving
from serving.schemas import ErrorBody
from serving.service import PredictionService
from serving.settings import Settings
from serving.version import service_version


def create_app(settings: Settings | None = None) -> FastAPI:
    """Loads the models and builds the application; from then on it is ready, until it shuts down.

    Args:
        settings: by default those of the environment.

    Raises:
        LoupeError: a setting, a model or the device is wrong.
    """
    service = PredictionService.load(settings or Settings.load())
    app: FastAPI = FastAPIOffline(
        title="Loupe",
        description="Image classifiers over HTTP.",
        version=service_version(),
        redoc_url=None,
        lifespan=_lifespan,
        responses={422: {"model": ErrorBody, "description": "A parameter is not allowed."}},
    )
    app.state.service = service
    for routes in (predict, tensorflow_serving, health):
        app.include_router(routes.router)
    add_error_handlers(app)
    app.add_middleware(RequestLog)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    app.state.service.close()
