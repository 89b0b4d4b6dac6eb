"""create_app: the loaded service behind its routes."""

import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from models.errors import SettingsError
from models.extras import how_to_install
from serving.access.keys import ApiKeys
from serving.http.addresses import Call
from serving.http.errors import add_error_handlers, described
from serving.http.layers import layers
from serving.http.openapi import describe, operation_id
from serving.http.routes import (
    drift,
    explain,
    feedback,
    health,
    hints,
    labels,
    metrics,
    open_inference,
    predict,
    repository,
    tensorflow_serving,
    upright,
    web,
)
from serving.http.routes.platforms import invocations_router, ping_router
from serving.observability.metrics import Metrics
from serving.observability.requests import log_requests
from serving.observability.tracing import Tracing
from serving.service import PredictionService
from serving.service.corrections import Corrections
from serving.settings import PREFIX, Settings
from serving.settings.platforms import Platform
from serving.settings.version import service_version
from serving.upright.feedback import Feedback
from serving.upright.straightening import Straightener
from serving.versions.hangup import on_hangup
from serving.versions.watching import polling, watching

# FastAPI's own tells paths, queries and the texts of exceptions to any provider that a process has; see tracing.py.
_NO_TELEMETRY = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}


def create_app(settings: Settings | None = None) -> FastAPI:
    """Loads the models and builds the application; from then on it is ready, until it shuts down.

    Args:
        settings: by default those of the environment.

    Raises:
        LoupeError: a setting, a model or the device is wrong.
    """
    settings = settings or Settings.load()
    if settings.grpc_port is not None:
        _grpc_server().refuse_taken(settings)
    keys = None if settings.api_keys_file is None else ApiKeys(settings.api_keys_file)
    tracing = None if settings.tracing_endpoint is None else Tracing(settings.tracing_endpoint)
    counted = Metrics([log_requests, *([] if tracing is None else [tracing.trace])])
    service = PredictionService.load(settings, counted)
    if settings.grpc_port is not None:  # another server may have come meanwhile
        _grpc_server().refuse_taken(settings)
    counted.watch(service)
    app: FastAPI = FastAPIOffline(
        title="Loupe",
        description="Image classifiers over HTTP.",
        version=service_version(),
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=operation_id,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        telemetry=_NO_TELEMETRY,
        lifespan=_lifespan,
        responses={400: described("A parameter is not allowed.")},
    )
    app.state.service, app.state.metrics, app.state.keys, app.state.tracing = service, counted, keys, tracing
    app.state.feedback = Feedback(service, Straightener(service), Corrections(settings))
    answering, telling = (predict, upright, explain, feedback, labels, drift, hints), (repository, health, metrics)
    modules = (*answering, tensorflow_serving, open_inference, *telling)
    app.state.calls = Call.all_of(routes.router for routes in modules)
    platform = Platform.of(os.environ)
    app.router.routes[:0] = ping_router(platform).routes  # looked at in this order
    for routes in modules:
        app.include_router(routes.router)
    app.include_router(invocations_router(platform))
    if settings.web:
        app.include_router(web.web_router())
    else:
        app.include_router(health.root_router)
    describe(app, settings, frozenset({"set_labels", "load_model", "unload_model"}))
    add_error_handlers(app)
    app.middleware_stack = layers(app, service, counted.recorder, keys, platform)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: PredictionService = app.state.service
    async with AsyncExitStack() as stack:
        if app.state.tracing is not None:
            stack.callback(app.state.tracing.close)
        stack.callback(service.close)
        stack.callback(app.state.metrics.recorder.tell)
        reread = [] if app.state.keys is None else [app.state.keys.reload]
        stack.enter_context(on_hangup([*reread, service.registry.refresh_soon]))
        if service.settings.reload == "watch":
            await stack.enter_async_context(_watching(service))
        if service.settings.grpc_port is not None:
            grpc = _grpc_server().GrpcServer(service, app.state.metrics, app.state.keys)
            await stack.enter_async_context(grpc)
        yield


def _grpc_server() -> ModuleType:
    """Imported only if it is wanted, as its extra need not be installed."""
    try:
        return import_module("serving.grpc.server")
    except ImportError:
        raise SettingsError(
            f"{PREFIX}GRPC_PORT is set, which needs the extra `grpc`: {how_to_install('grpc')}"
        ) from None


def _watching(service: PredictionService) -> AbstractAsyncContextManager[None]:
    folder, changed = service.settings.models, service.registry.refresh
    return watching(folder, changed) if isinstance(folder, Path) else polling(changed)
