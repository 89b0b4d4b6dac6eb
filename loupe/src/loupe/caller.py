"""What both clients know: where the service is, what a request may hold, how an attempt looks to httpx."""

import math
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import httpx

from loupe.batches import Limits
from loupe.flows import Attempt, Flows

_CONNECT_S = 5.0
_GRACE_S = 1.0  # so that the service's own 504 arrives, which says more than our giving up

Http = TypeVar("Http", httpx.Client, httpx.AsyncClient)


class Caller(Generic[Http]):
    """The base of ``Client`` and ``AsyncClient``."""

    _new_http: Callable[[], Http]

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        api_key: str | None = None,
        timeout_s: float = 60,
        retries: int = 8,
        max_request_images: int = 16,
        max_request_bytes: int = 32 * 1024 * 1024,
        http: Http | None = None,
    ) -> None:
        """Connects at the first call.

        Args:
            url: of the service, with the path under which a proxy serves it.
            api_key: where the service asks for one.
            timeout_s: seconds for each request with all its retries; the service is told, and stops working then.
            retries: how often a request is sent again at most, where the service is full, not ready or not there.
            max_request_images: photos that are sent in one request.
            max_request_bytes: bytes that are sent in one request, unless one photo has more.
            http: httpx's client, for proxies, TLS and the like; whoever made it closes it.

        Raises:
            ValueError: the address is none of http:// or https://, or a number is out of its bounds.
        """
        self._url = _checked(url)
        at_least(1, max_request_images=max_request_images, max_request_bytes=max_request_bytes)
        at_least(0, retries=retries)
        if not 0 < timeout_s < math.inf:
            raise ValueError(f"timeout_s is a number of seconds above 0, and {timeout_s} is not")
        self._headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
        self._limits = Limits(max_request_images, max_request_bytes)
        self._flows = Flows(self._url, timeout_s=timeout_s, retries=retries)
        self._owns_http = http is None
        self._http: Http = self._new_http() if http is None else http

    def _arguments(self, attempt: Attempt) -> dict[str, Any]:
        """Of ``httpx.Client.request``."""
        send, left_s = attempt.send, _left_s(attempt)
        headers = self._headers | send.headers | {"Request-Timeout": f"{left_s:.3f}"}
        timeout = httpx.Timeout(left_s + _GRACE_S, connect=min(left_s, _CONNECT_S))
        return send.body() | {
            "method": send.method,
            "url": self._url + send.path,
            "params": send.params,
            "headers": headers,
            "timeout": timeout,
        }

    @staticmethod
    def _longest_s(attempt: Attempt) -> float:
        """Seconds after which an attempt is given up, whatever has arrived."""
        return _left_s(attempt) + _GRACE_S


def _left_s(attempt: Attempt) -> float:
    return max(attempt.timeout_s, 0.001)


def at_least(least: int, **given: int) -> None:
    """Raises a ValueError for the first number that is below."""
    for name, value in given.items():
        if value < least:
            raise ValueError(f"{name} is at least {least}, and {value} is not")


def _checked(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"an address begins with http:// or https://, and {url!r} does not; http://{url} may be meant")
    try:
        host = httpx.URL(url).host
    except (httpx.InvalidURL, UnicodeError):  # the second of names that are no IDN
        host = ""
    if not host:
        raise ValueError(f"{url!r} is no address")
    return url.rstrip("/")
