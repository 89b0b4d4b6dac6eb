"""Which calls need an API key."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from models.errors import UnauthorizedError
from serving.access.keys import ApiKeys
from serving.engine.budget import Caller, caller
from serving.http.errors import error_response
from serving.http.web import FILES

# The page holds no secret; it asks its user for the key that its calls need.
_OPEN = frozenset({"/health", "/health/live", "/health/ready", "/v2/health/live", "/v2/health/ready", *FILES})
_METRICS = "/metrics"
_DOCS = frozenset({"/docs", "/docs/oauth2-redirect", "/openapi.json"})
_DOCS_FILES = "/static-offline-docs/"


class RequireKey:
    """ASGI middleware: whatever is not opened here needs a key, routes that nobody has thought of yet included."""

    def __init__(
        self, app: ASGIApp, keys: ApiKeys, *, guard_metrics: bool, guard_docs: bool, pings: frozenset[str]
    ) -> None:
        self._app = app
        self._keys = keys
        self._open = _OPEN | pings | (set() if guard_metrics else {_METRICS}) | (set() if guard_docs else _DOCS)
        self._files = () if guard_docs else (_DOCS_FILES,)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if not self._is_open(route_path(scope)):
            try:
                caller.set(Caller(self._keys.check(Headers(scope=scope))))
            except UnauthorizedError as error:
                await error_response(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _is_open(self, path: str) -> bool:
        return path in self._open or path.startswith(self._files)


def route_path(scope: Scope) -> str:
    """The path that the router sees: without the prefix that a proxy may leave in it."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path.removeprefix(root) if path.startswith(root + "/") else path
