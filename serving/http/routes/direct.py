"""Direct: calls that FastAPI documents, and that are answered without it, as they come thousands of times a second.

Its nested routers, dependencies, exit stacks and checks of answers took 0.24 ms of the one event loop for each request,
more than anything that Loupe does there itself.
"""

from collections.abc import Iterator
from typing import get_type_hints

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from pydantic_core import to_json
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from serving.http.forms.parameters import Parameters
from serving.http.routes.dependencies import Call, patience_of


class DirectRoute(Route):
    """Calls a documented route's function with the names in the path, ``call`` and ``asked``; sends what it says."""

    def __init__(self, documented: APIRoute) -> None:
        super().__init__(documented.path, documented.endpoint, methods=documented.methods, include_in_schema=False)
        self.app = self._answer
        self._documented = documented
        self._parameters: type[Parameters] = get_type_hints(documented.endpoint)["asked"]

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = self._documented
        request, headers = Request(scope, receive, send), MutableHeaders()
        service = scope["app"].state.service
        call = Call(request, headers, service, patience_of(service, request.headers))
        asked = self._parameters.of_query(scope["query_string"].decode("latin-1"))
        answer = await self._documented.endpoint(**scope["path_params"], call=call, asked=asked)
        if not isinstance(answer, Response):
            answer = Response(to_json(answer), media_type="application/json", headers=headers)
        await answer(scope, receive, send)


def direct(router: APIRouter) -> Iterator[DirectRoute]:
    """All routes of a router, which stays for what it documents; to be asked before it."""
    return (DirectRoute(route) for route in router.routes if isinstance(route, APIRoute))
