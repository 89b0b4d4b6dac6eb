"""Clients that send one photo again and again over connections that they keep."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from time import monotonic
from urllib.parse import urlsplit

_JPEG = {"Content-Type": "image/jpeg"}


@contextmanager
def connection(url: str) -> Iterator[HTTPConnection]:
    """A connection of its own."""
    address = urlsplit(url)
    made = HTTPConnection(address.hostname or "", address.port, timeout=60)
    try:
        yield made
    finally:
        made.close()


def ask_for(url: str, path: str, photo: bytes, clients: int, seconds: float) -> int:
    """Lets so many clients ask for so long; returns how many photos were answered.

    Raises:
        RuntimeError: an answer was not 200.
    """
    until = monotonic() + seconds
    with ThreadPoolExecutor(clients) as pool:
        return sum(pool.map(lambda _: _ask_until(url, path, photo, until), range(clients)))


def _ask_until(url: str, path: str, photo: bytes, until: float) -> int:
    answered = 0
    with connection(url) as asking:
        while monotonic() < until:
            asking.request("POST", path, photo, _JPEG)
            response = asking.getresponse()
            body = response.read()
            if response.status != 200:
                raise RuntimeError(f"{path} answered {response.status}: {body[:300]!r}")
            answered += 1
    return answered
