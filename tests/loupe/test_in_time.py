"""A server that sends a byte now and then keeps no call beyond its time."""

import socket
import threading
from collections.abc import Iterator

import anyio
import pytest

from loupe import errors
from loupe.client import AsyncClient, Client

EVERY_S, DRIPS = 0.05, 200
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n"
BODY = b'{"version": "1", "models": []}'


@pytest.fixture(params=["headers", "body"])
def dripping(request: pytest.FixtureRequest) -> Iterator[tuple[str, threading.Event]]:
    """A server's address, and what is set once its caller has gone."""
    gone, over = threading.Event(), threading.Event()
    head = HEAD % (DRIPS + len(BODY))
    parts = (head + b"X: ", b"x", b"\r\n\r\n") if request.param == "headers" else (head + b"\r\n", b" ", b"")

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            begin, drip, end = parts
            try:
                connection.sendall(begin)
                for _ in range(DRIPS):
                    if over.wait(EVERY_S):
                        return
                    connection.sendall(drip)
                connection.sendall(end + b" " * DRIPS * (request.param == "headers") + BODY)
            except OSError:
                gone.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = threading.Thread(target=serve)
        serving.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", gone
        over.set()
        serving.join(30)


@pytest.fixture(autouse=True)
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loupe.caller._GRACE_S", 0.1)


def test_a_client_gives_up(dripping):
    url, gone = dripping
    with Client(url, timeout_s=0.4) as loupe, pytest.raises(errors.DeadlineError, match="did not answer in time"):
        loupe.version()
    assert gone.wait(30), "the connection is closed"


def test_an_async_client_gives_up(dripping):
    url, gone = dripping

    async def ask() -> None:
        async with AsyncClient(url, timeout_s=0.4) as loupe:
            with pytest.raises(errors.DeadlineError, match="did not answer in time"):
                await loupe.version()

    anyio.run(ask)
    assert gone.wait(30), "the connection is closed"


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_request_images": 0},
        {"max_request_images": -1},
        {"max_request_bytes": 0},
        {"retries": -1},
        {"timeout_s": 0},
        {"timeout_s": -1},
        {"timeout_s": float("nan")},
        {"timeout_s": float("inf")},
    ],
    ids=str,
)
@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_numbers_that_end_no_call_or_none_but_at_once_are_refused(client, wrong):
    [name] = wrong
    with pytest.raises(ValueError, match=f"^{name} is "):
        client("http://127.0.0.1:1", **wrong)


@pytest.mark.parametrize("concurrency", [0, -1])
@pytest.mark.parametrize("images", [[b"x"], b"x", []], ids=["many", "one", "none"])
def test_no_requests_at_once_are_refused(concurrency, images):
    async def ask() -> None:
        with anyio.fail_after(30):
            async with AsyncClient("http://127.0.0.1:1") as loupe:
                await loupe.predict(images, concurrency=concurrency)

    with pytest.raises(ValueError, match=f"^concurrency is at least 1, and {concurrency} is not$"):
        anyio.run(ask)
