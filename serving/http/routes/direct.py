"""Direct: calls that FastAPI documents, and that are answered without it, as they come thousands of times a second.

Its nested routers, dependencies, exit stacks and checks of answers, and Starlette's own layers around them, took more
of the one event loop for each request than anything that Loupe does there itself.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, get_type_hints

from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from models.errors import LoupeError
from serving.http.admission import let_in
from serving.http.errors import client_gone, error_response
from serving.http.forms.parameters import Parameters
from serving.http.keys import route_path
from serving.http.routes import open_inference, predict, upright
from serving.http.routes.dependencies import Call, patience_of
from serving.http.routes.platforms import INVOCATIONS, invocations_router
from serving.http.routes.stream import Incoming
from serving.http.written import written
from serving.observability.recorder import current_record
from serving.open_inference.framing import HEADER
from serving.service import PredictionService
from serving.settings.platforms import Platform

_PREDICTING = (":predict", "/v1/predict", "/v1/upright", "/infer", INVOCATIONS)
_KNOWN_PATHS = 256
_JSON = (b"content-type", b"application/json")


def hot_routes() -> list[APIRoute]:
    """The calls that predict or turn, in whichever protocol; FastAPI has them too."""
    routers = (predict.router, upright.router, open_inference.router, invocations_router(Platform.of({})))
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    return [route for route in routes if route.path.endswith(_PREDICTING)]


class DirectCalls:
    """ASGI middleware: lets the hot calls in and answers them, and passes on all else."""

    def __init__(self, app: ASGIApp, service: PredictionService) -> None:
        self._app = app
        self._service = service
        self._calls = [_DirectCall(route) for route in hot_routes()]
        self._found = lru_cache(_KNOWN_PATHS)(self._find)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request of HTTP."""
        found = self._found(route_path(scope)) if scope["method"] == "POST" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        call, names = found
        scope["route"], scope["path_params"] = call.documented, names
        try:
            let_in(scope, self._service)
            answer = await call.answer(self._service, names, scope, receive)
        except LoupeError as error:
            answer = error_response(error)
        except ClientDisconnect:
            answer = client_gone()
        if isinstance(answer, Response):
            await answer(scope, receive, send)
        else:
            await send({"type": "http.response.start", "status": 200, "headers": answer.headers})
            await send({"type": "http.response.body", "body": answer.body})

    def _find(self, path: str) -> "tuple[_DirectCall, dict[str, str]] | None":
        for call in self._calls:
            if (match := call.documented.path_regex.match(path)) is not None:
                return call, match.groupdict()
        return None


class _Json(NamedTuple):
    """An answer of known shape, for which there is no need of a ``Response``."""

    headers: list[tuple[bytes, bytes]]
    body: bytes


class _DirectCall:
    """Calls a documented route's function with the names in the path and what else it asks for."""

    def __init__(self, documented: APIRoute) -> None:
        self.documented = documented
        self._wanted = _wanted(get_type_hints(documented.endpoint))

    async def answer(
        self, service: PredictionService, names: Mapping[str, str], scope: Scope, receive: Receive
    ) -> Response | _Json:
        """Answers one request."""
        record = current_record.get()
        assert record is not None  # noqa: S101 - RecordRequests is one of the layers outside of this one
        asked, headers = record.headers, dict[str, str]()
        call = Call(Incoming(asked, receive), headers, service, patience_of(service, asked))
        wanted = {name: read(scope, asked) for name, read in self._wanted.items()}
        answer = await self.documented.endpoint(**names, call=call, **wanted)
        if isinstance(answer, Response):
            return answer
        body = await written(answer)
        told = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        return _Json([*told, (b"content-length", str(len(body)).encode()), _JSON], body)


_Read = Callable[[Scope, Mapping[str, str]], object]
"""A request's scope and headers → an argument."""


def _wanted(hints: Mapping[str, Any]) -> dict[str, _Read]:
    """How each argument that a function may have besides is read, by its name."""
    ways: dict[str, _Read] = {"header_length": lambda _, headers: headers.get(HEADER.lower())}
    if "asked" in hints:
        parameters: type[Parameters] = hints["asked"]
        ways["asked"] = lambda scope, _: parameters.of_query(scope["query_string"].decode("latin-1"))
    return {name: way for name, way in ways.items() if name in hints}
