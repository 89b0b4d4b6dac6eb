"""Direct: calls that FastAPI documents, and that are answered without it, as they come thousands of times a second.

Its nested routers, dependencies, exit stacks and checks of answers, and Starlette's own layers around them, took more
of the one event loop for each request than anything that Loupe does there itself.
"""

from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

from fastapi import Request
from fastapi.routing import APIRoute
from pydantic_core import to_json
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from models.errors import LoupeError
from serving.http.errors import client_gone, error_response
from serving.http.forms.parameters import Parameters
from serving.http.routes import open_inference, predict
from serving.http.routes.dependencies import Call, patience_of
from serving.open_inference.framing import HEADER

_PREDICTING = (":predict", "/v1/predict", "/infer")


def hot_routes() -> list[APIRoute]:
    """The calls that predict, in Loupe's own form and in the Open Inference Protocol's; FastAPI has them too."""
    routes = [*predict.router.routes, *open_inference.router.routes]
    return [route for route in routes if isinstance(route, APIRoute) and route.path.endswith(_PREDICTING)]


class DirectCalls:
    """ASGI middleware, the innermost one: answers the hot calls, and passes on all else."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._calls = [_DirectCall(route) for route in hot_routes()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] == "http" and scope["method"] == "POST":
            for call in self._calls:
                if call.matches(scope):
                    await call.answer(scope, receive, send)
                    return
        await self._app(scope, receive, send)


class _DirectCall:
    """Calls a documented route's function with the names in the path and what else it asks for; sends what it says."""

    def __init__(self, documented: APIRoute) -> None:
        self._documented = documented
        self._wanted = _wanted(get_type_hints(documented.endpoint))

    def matches(self, scope: Scope) -> bool:
        """Whether it is asked; the scope then tells so."""
        match, found = self._documented.matches(scope)
        if match is not Match.FULL:
            return False
        scope.update(found)
        scope["route"] = self._documented
        return True

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        try:
            answer = await self._made(scope, receive, send)
        except LoupeError as error:
            answer = error_response(error)
        except ClientDisconnect:
            answer = client_gone()
        await answer(scope, receive, send)

    async def _made(self, scope: Scope, receive: Receive, send: Send) -> Response:
        request, headers = Request(scope, receive, send), MutableHeaders()
        service = scope["app"].state.service
        call = Call(request, headers, service, patience_of(service, request.headers))
        wanted = {name: read(request) for name, read in self._wanted.items()}
        answer = await self._documented.endpoint(**scope["path_params"], call=call, **wanted)
        if isinstance(answer, Response):
            return answer
        return Response(to_json(answer), media_type="application/json", headers=headers)


def _wanted(hints: Mapping[str, Any]) -> dict[str, Callable[[Request], object]]:
    """How each argument that a function may have besides is read, by its name."""
    ways: dict[str, Callable[[Request], object]] = {"header_length": lambda request: request.headers.get(HEADER)}
    if "asked" in hints:
        parameters: type[Parameters] = hints["asked"]
        ways["asked"] = lambda request: parameters.of_query(request.scope["query_string"].decode("latin-1"))
    return {name: way for name, way in ways.items() if name in hints}
