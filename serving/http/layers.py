"""What every HTTP request passes through before it meets a route."""

from typing import cast

from fastapi import FastAPI
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from serving.access.callers import believed
from serving.access.keys import ApiKeys
from serving.http.addresses import AnswerHead, tidied
from serving.http.admission import RefuseLongQuery, RefuseWhenFull
from serving.http.errors import CatchFaults
from serving.http.keys import RequireKey
from serving.http.other_origins import Pages, allowed
from serving.http.routes.direct import DirectCalls
from serving.http.routes.platforms import PING
from serving.observability.recorder import Recorder
from serving.observability.requests import RecordRequests
from serving.service import PredictionService
from serving.settings import listed
from serving.settings.platforms import Platform


def layers(
    fastapi: FastAPI, service: PredictionService, recorder: Recorder, keys: ApiKeys | None, platform: Platform
) -> ASGIApp:
    """Wraps FastAPI and its own layers, which do nothing for calls that are answered before its routes.

    From the inside out: a refusal for want of a key is still counted and logged.
    """
    settings = service.settings
    routes = cast(ServerErrorMiddleware, fastapi.build_middleware_stack()).app  # CatchFaults stands in for that one
    app: ASGIApp = RefuseWhenFull(RefuseLongQuery(AnswerHead(routes)), service)
    app = CatchFaults(DirectCalls(app, service))
    if keys is not None:
        app = RequireKey(
            app,
            keys,
            guard_metrics=settings.metrics_need_key,
            guard_docs=settings.docs_need_key,
            pings=frozenset({PING, platform.health_route or PING}),
        )
    if settings.cors_origins is not None:
        app = Pages(app, **allowed(listed(settings.cors_origins)))
    app = RecordRequests(app, recorder)
    if settings.trusted_proxies is not None:
        app = ProxyHeadersMiddleware(app, believed(listed(settings.trusted_proxies)))  # type: ignore[arg-type, assignment]
    return _Entrance(app, routes, fastapi, settings.root_path)


class _Entrance:
    """Where HTTP's requests come in, their addresses as the routes know them; what is none, such as a start, passes by.

    uvicorn calls it instead of ``FastAPI``, whose own layers before it have nothing to do here. Routes are told their
    prefix; unlike by uvicorn's own setting, whether the proxy strips it or leaves it.
    """

    def __init__(self, app: ASGIApp, routes: ASGIApp, fastapi: FastAPI, root_path: str | None) -> None:
        self._app = app
        self._routes = routes
        self._fastapi = fastapi
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self._fastapi
        if scope["type"] != "http":
            await self._routes(scope, receive, send)
            return
        if self._root_path is not None:
            scope["root_path"] = self._root_path
        await self._app(tidied(scope), receive, send)
