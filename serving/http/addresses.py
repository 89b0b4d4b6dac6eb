"""Addresses: what is read as if it were another one, and what somebody may have meant by one that is not there."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Self

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SLASHES = re.compile("/{2,}")
_LONGEST = 100


def tidied(scope: Scope) -> Scope:
    """A request for ``//v1/predict/`` is one for ``/v1/predict``, as clients join addresses with a slash too many.

    Before all that judges a path, so that none of it sees another than the router does.
    """
    path: str = scope["path"]
    if "//" not in path and not path.endswith("/"):
        return scope
    path = _SLASHES.sub("/", path).rstrip("/")
    return {**scope, "path": f"{path}/" if path in ("", scope.get("root_path")) else path}


class AnswerHead:
    """ASGI middleware: HEAD gets what GET gets but for the body; load balancers and uptime checks ask so."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        asked = {**scope, "method": "GET"}

        async def send_without_body(message: Message) -> None:
            scope.update({name: asked[name] for name in ("route", "path_params") if name in asked})
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await self._app(asked, receive, send_without_body)


@dataclass(frozen=True)
class Call:
    """One that is documented."""

    method: str
    path: str

    @classmethod
    def all_of(cls, routers: Iterable[APIRouter]) -> list[Self]:
        """Those of some routers."""
        routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
        return [
            cls(method, route.path) for route in routes if route.include_in_schema for method in route.methods or ()
        ]


def methods_of(calls: Iterable[Call], template: str, known: str) -> str:
    """The value of ``Allow``: a router tells the methods of the first route that has the path, and no others.

    Args:
        calls: those that there are.
        template: the path of that route.
        known: its methods, separated by commas.
    """
    methods = {*known.replace(" ", "").split(","), *(call.method for call in calls if call.path == template)}
    return ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))


def nearest_call(calls: Sequence[Call], models: Sequence[str], method: str, path: str) -> str:
    """The end of a sentence about an address that is not there: the call that it resembles, if any does.

    Args:
        calls: those that there are.
        models: names, one of which stands in the address that is shown.
        method: that of the request.
        path: the address that is not there.
    """
    model = next((name for name in models if f"/{name}" in path), models[0] if models else "MODEL")
    for methods in ({method}, {"GET", "POST", "PUT"} - {method}):
        addresses = {call.path.replace("{model}", model): call.method for call in calls if call.method in methods}
        if meant := get_close_matches(path[:_LONGEST], addresses, 1, 0.6):
            return f"did you mean {addresses[meant[0]]} {meant[0]}? All calls are at /docs"
    return "all calls are at /docs"
