"""Who is refused while still sending reads the answer, however he sends; but not for ever."""

import asyncio
import gc
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import httpx
import pytest

from serving.http.connection import Connection
from serving.http.lingering import most_discarded

PATH = "/v1/models/orientation:predict"
MIB = 1024 * 1024
BODY = bytes(30 * MIB)
SMALL = {"max_image_bytes": MIB, "max_request_bytes": MIB}


async def in_chunks() -> AsyncIterator[bytes]:
    for start in range(0, len(BODY), 64 * 1024):
        yield BODY[start : start + 64 * 1024]


def post(client: httpx.Client, **options) -> httpx.Response:
    """As asyncio's clients do it: they read only once they have sent."""

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(base_url=client.base_url, timeout=30) as asynchronous:
            return await asynchronous.post(PATH, **options)

    return asyncio.run(ask())


@contextmanager
def begun(client: httpx.Client, headers: str = "") -> Iterator[socket.socket]:
    """A request of which a part has been sent."""
    address = urlsplit(str(client.base_url))
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n{headers}\r\n"
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.sendall(head.encode() + BODY[:1000])
        yield connection


def seconds_until_cut(connection: socket.socket, piece: bytes, pause_s: float) -> float:
    """Sends on for ever."""
    started = time.monotonic()
    while time.monotonic() < started + 30:
        try:
            connection.sendall(piece)
        except ConnectionError:
            return time.monotonic() - started
        time.sleep(pause_s)
    pytest.fail("it was not cut within 30 s")


def held_bytes(client: httpx.Client) -> float:
    lines = client.get("/metrics").text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("loupe_held_bytes "))


@pytest.fixture
def guarded(serve_with, tmp_path) -> httpx.Client:
    keys = tmp_path / "keys"
    keys.write_text("secret")
    client = serve_with(api_keys_file=keys, idle_timeout_s=1)
    client.headers["X-API-Key"] = "secret"
    return client


@pytest.mark.parametrize("content", [lambda: BODY, in_chunks], ids=["with its length", "in chunks"])
@pytest.mark.parametrize("headers", [{}, {"Connection": "close"}], ids=["keep-alive", "close"])
def test_a_body_over_the_limit(serve_with, content, headers):
    client = serve_with(**SMALL)
    for _ in range(3):
        response = post(client, content=content(), headers=headers)
        assert (response.status_code, response.json()["error_type"]) == (413, "RequestTooLargeError")
        assert response.headers["Connection"] == "close"
    assert held_bytes(client) == 0


@pytest.mark.parametrize("headers", [{}, {"Connection": "close"}], ids=["keep-alive", "close"])
def test_a_full_house(full, headers):
    held = held_bytes(full)
    response = post(full, content=BODY, headers=headers)
    assert (response.status_code, response.headers["Retry-After"]) == (429, "1")
    assert held_bytes(full) <= held


@pytest.mark.parametrize("headers", [{}, {"Connection": "close"}], ids=["keep-alive", "close"])
def test_a_missing_key(guarded, headers):
    assert post(guarded, content=BODY, headers=headers).status_code == 401


def test_a_refused_body_holds_nothing(serve_with):
    client = serve_with(**SMALL)
    with begun(client) as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 413")
        connection.sendall(BODY[: 10 * MIB])
        assert held_bytes(client) == 0


def test_a_refused_client_that_trickles_on_is_cut(serve_with):
    with begun(serve_with(**SMALL, request_timeout_s=3)) as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 413")
        assert connection.recv(1000) == b""  # the other direction stays open
        assert 1 < seconds_until_cut(connection, b"x", 0.05) < 10


def test_a_refused_client_that_floods_is_cut(serve_with, monkeypatch):
    monkeypatch.setattr("serving.http.lingering.LINGER_BYTES", MIB)
    with begun(serve_with(**SMALL)) as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 413")
        assert seconds_until_cut(connection, BODY[:MIB], 0) < 10


def test_of_chunks_without_end_little_is_read_after_the_413(serve_with):
    """68 MB were, at first; with what the sockets hold, some MB leave the sender in any case."""
    limit = 33 * MIB
    client = serve_with(max_image_bytes=limit, max_request_bytes=limit)
    address = urlsplit(str(client.base_url))
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    chunk, sent = b"10000\r\n" + bytes(65_536) + b"\r\n", 0
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
        connection.sendall(head)
        with suppress(ConnectionError):
            while sent < 80 * MIB:
                connection.sendall(chunk)
                sent += len(chunk)
    assert limit < sent < limit + 12 * MIB
    assert held_bytes(client) == 0


@pytest.mark.parametrize(
    ("declared", "received", "most"),
    [(None, 0, 32 * MIB), (None, 31 * MIB, MIB), (None, 64 * MIB, MIB // 4), (10, 0, 64 * MIB)],
)
def test_how_much_is_thrown_away(declared, received, most):
    assert most_discarded(declared, received) == most


def test_after_an_early_answer_the_connection_goes_on(guarded):
    """A body that is not welcome is thrown away; closing would cost its sender a new connection for each 429."""
    with begun(guarded) as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 401")
        connection.sendall(BODY[1000:])
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")


def test_after_an_early_answer_and_the_body_it_is_idle(guarded):
    with begun(guarded) as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 401")
        connection.sendall(BODY[1000:])
        assert connection.recv(1000) == b""


@pytest.mark.parametrize(("piece", "pause_s", "most"), [(b"x", 0.05, None), (BODY[:MIB], 0, MIB)])
def test_after_an_early_answer_the_body_may_not_go_on_for_ever(guarded, monkeypatch, piece, pause_s, most):
    if most is not None:
        monkeypatch.setattr("serving.http.lingering.LINGER_BYTES", most)
    with begun(guarded) as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 401")
        assert seconds_until_cut(connection, piece, pause_s) < 10


def test_what_follows_a_last_request_is_not_answered(serve_with):
    """The answer says `Connection: close`; another one behind it would belong to nobody."""
    client = serve_with(**SMALL)
    with begun(client) as connection:
        connection.sendall(BODY[1000:] + b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 413")
    assert answer.count(b"HTTP/1.1") == 1


def test_ended_connections_leave_nothing_to_collect(serve_with):
    """What refers to itself in a circle stays until garbage is collected, with the headers that came."""
    client = serve_with(**SMALL)
    gc.collect()
    before = connections()  # of other servers
    gc.disable()
    try:
        for status in [413, 200] * 5:
            with httpx.Client(base_url=client.base_url) as short:
                response = short.post(PATH, content=BODY) if status == 413 else short.get("/health/live")
                assert response.status_code == status
        deadline = time.monotonic() + 10
        while connections() > before and time.monotonic() < deadline:
            time.sleep(0.1)
        assert connections() <= before
    finally:
        gc.enable()


def connections() -> int:
    return sum(isinstance(one, Connection) for one in gc.get_objects())
