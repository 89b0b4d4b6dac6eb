"""What every HTTP request passes through before it meets a route."""

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from serving.access.keys import ApiKeys
from serving.http.addresses import AnswerHead, TidyPath
from serving.http.admission import RefuseWhenFull
from serving.http.errors import CatchFaults
from serving.http.keys import RequireKey
from serving.http.other_origins import allowed
from serving.http.routes.direct import DirectCalls
from serving.http.routes.platforms import PING
from serving.observability.recorder import Recorder
from serving.observability.requests import RecordRequests
from serving.service import PredictionService
from serving.settings import listed
from serving.settings.platforms import Platform


def add_middleware(
    app: FastAPI, service: PredictionService, recorder: Recorder, keys: ApiKeys | None, platform: Platform
) -> None:
    """Wraps the application, from the inside out: a refusal for want of a key is still counted and logged."""
    settings = service.settings
    app.add_middleware(DirectCalls)
    app.add_middleware(CatchFaults)
    app.add_middleware(AnswerHead)
    app.add_middleware(RefuseWhenFull, service=service)
    if keys is not None:
        app.add_middleware(
            RequireKey,
            keys=keys,
            guard_metrics=settings.metrics_need_key,
            guard_docs=settings.docs_need_key,
            pings=frozenset({PING, platform.health_route or PING}),
        )
    if settings.cors_origins is not None:
        app.add_middleware(CORSMiddleware, **allowed(listed(settings.cors_origins)))
    app.add_middleware(RecordRequests, recorder=recorder)
    if settings.trusted_proxies is not None:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=listed(settings.trusted_proxies))
    app.add_middleware(TidyPath)
    if settings.root_path is not None:
        app.add_middleware(_UnderRoot, root_path=settings.root_path)


class _UnderRoot:
    """Tells the routes their prefix; unlike uvicorn's own setting, whether the proxy strips it or leaves it."""

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["root_path"] = self._root_path
        await self._app(scope, receive, send)
