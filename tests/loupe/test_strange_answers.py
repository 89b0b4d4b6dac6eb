"""Answers that are no Loupe's are one sentence, and an error of ours."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import anyio
import pytest

from loupe import errors
from loupe.client import AsyncClient, Client

OK = b"HTTP/1.1 200 OK\r\n"
BAD = b"HTTP/1.1 500 Internal Server Error\r\n"
DEEP = b"[" * 100_000


@pytest.fixture
def answering() -> Iterator[Callable[[bytes], str]]:
    """The address of a server that answers once, with these bytes."""
    with ExitStack() as stack:

        def begin(answer: bytes) -> str:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def serve() -> None:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

            thread = threading.Thread(target=serve)
            thread.start()
            stack.callback(thread.join, 30)
            return f"http://127.0.0.1:{listener.getsockname()[1]}"

        yield begin


def synchronously(url: str) -> None:
    with Client(url, retries=0) as loupe:
        loupe.version()


def asynchronously(url: str) -> None:
    async def ask() -> None:
        async with AsyncClient(url, retries=0) as loupe:
            await loupe.version()

    anyio.run(ask)


@pytest.mark.parametrize(
    ("head", "body", "told"),
    [
        (OK + b"Content-Encoding: gzip\r\n", b"junk", "answered something that Loupe does not"),
        (OK, DEEP, "answered something that Loupe does not"),
        (OK, b"[]", "answered something that Loupe does not"),
        (BAD, DEEP, "the answer was 500 Internal Server Error"),
    ],
    ids=["no gzip", "deep", "a list", "a deep error"],
)
@pytest.mark.parametrize("ask", [synchronously, asynchronously])
def test_they_are_errors_of_the_service(answering, ask, head, body, told):
    url = answering(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    with pytest.raises(errors.ServiceError, match=told):
        ask(url)


@pytest.mark.parametrize("url", ["http://", "https:///v1", "http://a:b", "http://a\n", "http://xn--"])
@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_what_is_no_address_is_told_at_once(client, url):
    with pytest.raises(ValueError, match=r"is no address$"):
        client(url)
