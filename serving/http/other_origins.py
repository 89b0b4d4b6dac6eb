"""Other origins: whose pages may call, and what they may read, wherever an answer is made."""

from collections.abc import Mapping
from typing import TypedDict

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from models.errors import RequestError
from serving.http.errors import error_response
from serving.observability.logging import REQUEST_ID_HEADER

_FROM_PAGES = ["authorization", "x-api-key", "content-type", "content-encoding", "request-timeout", "traceparent"]
_FROM_PAGES += ["inference-header-content-length", REQUEST_ID_HEADER]
_TO_PAGES = [REQUEST_ID_HEADER, "Server-Timing", "Retry-After", "Inference-Header-Content-Length"]
_TO_PAGES += ["Loupe-Rotated-Clockwise", "Loupe-Probability", "Loupe-Certain", "Loupe-Method"]

_OF_CORS = ("access-control-", "vary")
_OK = 200


class Allowed(TypedDict):
    """What ``CORSMiddleware`` is told."""

    allow_origins: list[str]
    allow_methods: list[str]
    allow_headers: list[str]
    expose_headers: list[str]


def allowed(origins: list[str]) -> Allowed:
    """What pages of these origins may do; ``*`` is any."""
    return {
        "allow_origins": origins,
        "allow_methods": ["GET", "POST", "PUT"],
        "allow_headers": _FROM_PAGES,
        "expose_headers": _TO_PAGES,
    }


class Pages(CORSMiddleware):
    """Starlette's, but for what it refuses: that is an error like any other."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """What a page may do."""
        answer = super().preflight_response(request_headers)
        if answer.status_code == _OK:
            return answer
        what = bytes(answer.body).decode().removeprefix("Disallowed CORS ")
        origin = request_headers["origin"][:200]
        refused = error_response(RequestError(f"pages of {origin} may not make this call, for its {what}"))
        refused.headers.update({name: value for name, value in answer.headers.items() if name.startswith(_OF_CORS)})
        return refused


class OtherOrigins:
    """The headers that ``CORSMiddleware`` adds, for answers that never pass through it."""

    def __init__(self, origins: list[str]) -> None:
        """``origins``: see ``allowed``; none: no page may read anything."""
        self._rules = Pages(_nothing, **allowed(origins)) if origins else None

    def headers(self, asked: list[tuple[bytes, bytes]]) -> Mapping[str, str]:
        """What an answer to a request with these headers also says."""
        if self._rules is None:
            return {}
        told, origin = MutableHeaders(), Headers(raw=asked).get("origin")
        told["Vary"] = "Origin"
        if origin is not None:
            told.update(self._rules.simple_headers)
            if not self._rules.allow_all_origins and self._rules.is_allowed_origin(origin):
                told["Access-Control-Allow-Origin"] = origin
        return told


async def _nothing(_: Scope, __: Receive, ___: Send) -> None:
    """There is no application behind it."""
