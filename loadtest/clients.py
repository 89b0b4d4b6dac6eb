"""Connections, one request at a time."""

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
