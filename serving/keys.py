"""API keys: who may call, where the operator has named a file of keys."""

import hmac
from collections.abc import Mapping
from hashlib import sha256
from itertools import product
from pathlib import Path

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from models.errors import SettingsError, UnauthorizedError
from serving.errors import error_response
from serving.web import FILES

# The page holds no secret; it asks its user for the key that its calls need.
_OPEN = frozenset({"/health", "/health/live", "/health/ready", "/v2/health/live", "/v2/health/ready", *FILES})
_METRICS = "/metrics"


class ApiKeys:
    """The keys of a file; only their digests stay in memory."""

    def __init__(self, file: Path) -> None:
        """Reads the file.

        Raises:
            SettingsError: it cannot be read, or holds no key.
        """
        self._file = file
        self.reload()

    def reload(self) -> None:
        """Reads the file anew; if that fails, the keys stay as they are.

        Raises:
            SettingsError: it cannot be read, or holds no key.
        """
        try:
            lines = self._file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise SettingsError(f"the API keys in {self._file} cannot be read: {reason}") from None
        keys = {key for line in lines if (key := line.partition("#")[0].strip())}
        if not keys:
            raise SettingsError(f"there is no API key in {self._file}; it holds one a line")
        self._digests = [_digest(key) for key in keys]

    def check(self, headers: Mapping[str, str]) -> None:
        """Looks for a key in ``authorization: Bearer …`` and ``x-api-key``, in a time that tells nothing of the keys.

        Raises:
            UnauthorizedError: there is none, or none of ours.
        """
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        # Either may hold it: of a control call's two, `Authorization` has the admin token.
        given = [headers.get("x-api-key", ""), bearer.strip() if scheme.lower() == "bearer" else ""]
        pairs = product(map(_digest, given), self._digests)
        if not sum(hmac.compare_digest(one, other) for one, other in pairs):
            raise UnauthorizedError(
                "the API key is missing or wrong; it belongs into `Authorization: Bearer …` or `X-API-Key`"
            )


class RequireKey:
    """ASGI middleware: whatever is not opened here needs a key, routes that nobody has thought of yet included."""

    def __init__(self, app: ASGIApp, keys: ApiKeys, *, guard_metrics: bool) -> None:
        self._app = app
        self._keys = keys
        self._open = _OPEN if guard_metrics else _OPEN | {_METRICS}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] == "http" and _route_path(scope) not in self._open:
            try:
                self._keys.check(Headers(scope=scope))
            except UnauthorizedError as error:
                await error_response(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _digest(key: str) -> bytes:
    """Of one length for every key, and of the same bytes as HTTP brings them."""
    return sha256(key.encode("latin-1", "backslashreplace")).digest()


def _route_path(scope: Scope) -> str:
    """The path that the router sees: without the prefix that a proxy may leave in it."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path.removeprefix(root) if path.startswith(root + "/") else path
