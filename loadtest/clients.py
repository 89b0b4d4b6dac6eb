"""Connections, one request at a time."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from urllib.parse import urlsplit


@contextmanager
def connection(url: str) -> Iterator[HTTPConnection]:
    """A connection of its own."""
    address = urlsplit(url)
    made = HTTPConnection(address.hostname or "", address.port, timeout=60)
    try:
        yield made
    finally:
        made.close()


def first_model(url: str) -> str:
    """The name of one that the server has."""
    with connection(url) as asking:
        asking.request("GET", "/version")
        return str(next(iter(json.loads(asking.getresponse().read())["models"])))
