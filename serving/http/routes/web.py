"""GET / and /web/…: the page for people."""

from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from serving.http.web import FILES

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = {
    "Cache-Control": "no-cache",  # keep it, but ask each time whether it is still this one
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), display-capture=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def web_router() -> APIRouter:
    """Reads the page's files, so that a request for one touches no disk; none is part of the API's description."""
    router = APIRouter(include_in_schema=False)
    for path, (file, media_type) in FILES.items():
        router.add_api_route(path, _answering(file, media_type), methods=["GET", "HEAD"])
    return router


def _answering(file: Path, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    content = file.read_bytes()
    # Of the content, as an installed file's time may be the same for every release.
    etag = f'"{sha256(content).hexdigest()[:32]}"'
    headers = {**_HEADERS, "ETag": etag}

    async def answer(request: Request) -> Response:
        known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
        if etag in known:
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=media_type)

    return answer
