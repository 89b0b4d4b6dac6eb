"""Nobody can hold what he does not use: whoever comes meanwhile is answered, and all comes back."""

import gzip
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

PATH = "/v1/models/orientation:predict"
UPRIGHT = "/v1/upright"
MIB = 1024 * 1024
ELSEWHERE = "127.0.0.2"  # Linux answers on all of 127/8
BUDGET = {"max_image_bytes": 8 * MIB, "max_request_bytes": 8 * MIB, "max_held_bytes": 32 * MIB}


@contextmanager
def connected(client: httpx.Client, source: str = ELSEWHERE) -> Iterator[socket.socket]:
    address = urlsplit(str(client.base_url))
    with socket.create_connection((address.hostname, address.port), timeout=30, source_address=(source, 0)) as one:
        yield one


def head(length: int | None, path: str = PATH, more: str = "") -> bytes:
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n{more}{framing}\r\n\r\n".encode()


def held(client: httpx.Client) -> float:
    lines = client.get("/metrics").text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("loupe_held_bytes "))


def wait_for(condition, seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.02)


def descriptors() -> int:
    """Of this process, where the server of these tests runs in a thread."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def large(zoo, size: int) -> bytes:
    """A photo whose answer is larger than what any socket buffers: it comes back as it is."""
    return zoo.encode(zoo.lit(), "JPEG") + bytes(size)


def test_answers_that_are_not_read_lose_their_share(serve_with, zoo):
    client = serve_with(**BUDGET, write_timeout_s=1.5)
    photo = large(zoo, 7 * MIB)
    with ExitStack() as stack:
        idle = [stack.enter_context(connected(client)) for _ in range(8)]
        for one in idle:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.sendall(head(len(photo), UPRIGHT) + photo)
        wait_for(lambda: held(client) > 20 * MIB)
        for _ in range(5):  # there is room that one caller cannot take
            assert client.post(PATH, content=zoo.png()).status_code == 200
        assert held(client) <= 24.1 * MIB  # 75 % of the budget
        wait_for(lambda: held(client) == 0)
        assert sum(cut(one) for one in idle) == 3  # the others were told that it is full


def cut(connection: socket.socket) -> bool:
    """Whether the server has ended it before the answer was read."""
    answer = b""
    try:
        while not answer.startswith(b"HTTP/1.1 429 "):
            answer = answer or connection.recv(16)
            connection.recv(65_536)
    except ConnectionResetError:
        return True
    return False


def test_an_answer_that_is_read_steadily_is_not_cut(serve_with, zoo):
    """In lumps, as telephones do it: Linux takes megabytes at once and then nothing for a while."""
    client = serve_with(**BUDGET, write_timeout_s=1)
    photo = large(zoo, 6 * MIB)
    with connected(client) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        slow.sendall(head(len(photo), UPRIGHT, "Connection: close\r\n") + photo)
        answer = bytearray()
        while piece := slow.recv(128 * 1024):
            answer += piece
            time.sleep(0.06)
    assert bytes(answer).endswith(photo)


def test_a_body_that_stops_loses_its_share(serve_with, zoo):
    client = serve_with(**BUDGET, read_timeout_s=1)
    with connected(client) as stopped:
        stopped.sendall(head(5 * MIB) + bytes(4 * MIB))
        wait_for(lambda: held(client) > 3 * MIB)
        started = time.monotonic()
        assert stopped.recv(1000).startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - started < 5
        assert held(client) == 0


def test_a_body_that_comes_steadily_is_read(serve_with, zoo):
    client = serve_with(read_timeout_s=1)
    photo = large(zoo, 30_000)
    with connected(client) as slow:
        slow.sendall(head(len(photo)))
        for start in range(0, len(photo), 2000):
            slow.sendall(photo[start : start + 2000])
            time.sleep(0.2)
        assert slow.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_what_is_packed_holds_little_until_all_of_it_is_there(serve_with, zoo):
    client = serve_with(**BUDGET)
    packed = gzip.compress(bytes(8 * MIB))
    gzipped = "Content-Encoding: gzip\r\n"
    with ExitStack() as stack:
        for _ in range(8):
            one = stack.enter_context(connected(client))
            one.sendall(head(len(packed), more=gzipped) + packed[:-1])
        wait_for(lambda: held(client) >= 8 * (len(packed) - 1))
        assert held(client) < MIB
        assert client.post(PATH, content=zoo.png()).status_code == 200
        one.sendall(packed[-1:])
        assert one.recv(1000).startswith(b"HTTP/1.1 415 ")
    wait_for(lambda: held(client) == 0)


def flood(connection: socket.socket, piece: bytes, most: int) -> int:
    """Sends until the server ends it; returns how many bytes it took."""
    sent = 0
    try:
        while sent < most:
            sent += connection.send(piece)
    except OSError:
        return sent
    pytest.fail(f"{most} bytes were taken")


def test_an_endless_body_is_read_to_a_bound_and_then_closed(serve_with):
    client = serve_with(max_image_bytes=MIB, max_request_bytes=MIB)
    with connected(client) as endless:
        endless.sendall(head(None))
        assert flood(endless, b"100000\r\n" + bytes(MIB) + b"\r\n", 200 * MIB) < 45 * MIB
    assert held(client) == 0


@pytest.mark.parametrize("more", ["", "X-API-Key: wrong\r\n"], ids=["413", "401"])
def test_what_declares_too_much_is_not_read_at_all(serve_with, tmp_path, more):
    keys = tmp_path / "keys"
    keys.write_text("secret")
    client = serve_with(api_keys_file=keys)
    with connected(client) as declared:
        declared.sendall(head(1024 * MIB, more=more or "X-API-Key: secret\r\n"))
        assert declared.recv(1000).startswith(b"HTTP/1.1 401 " if more else b"HTTP/1.1 413 ")
        declared.settimeout(10)
        assert flood(declared, bytes(MIB), 100 * MIB) < 16 * MIB  # all in the kernel's buffers


def test_a_hundred_thousand_parts_are_refused_at_the_first_too_many(serve_with):
    client = serve_with()
    client.get("/health/live")
    part = b'--x\r\nContent-Disposition: form-data; name="image"; filename="p"\r\n\r\nx\r\n'
    before = descriptors()
    response = client.post(
        PATH, content=part * 100_000 + b"--x--\r\n", headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert response.status_code == 413
    assert held(client) == 0
    wait_for(lambda: descriptors() <= before)


@pytest.fixture
def many_files() -> Iterator[None]:
    """As many as this process may open; often a quarter of what is needed is what it opens by default."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(4096, hard)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_idle_and_trickling_connections_are_ended_while_others_are_answered(many_files, serve_with, zoo):
    client = serve_with(idle_timeout_s=3, header_timeout_s=1)
    client.get("/health/live")
    before = descriptors()
    with ExitStack() as stack:
        idle = [stack.enter_context(connected(client)) for _ in range(500)]
        trickling = [stack.enter_context(connected(client)) for _ in range(500)]
        for one in trickling:
            one.sendall(b"GET /health")
        assert client.post(PATH, content=zoo.png()).status_code == 200
        assert {one.recv(1000)[:13] for one in trickling} == {b"HTTP/1.1 408 "}
        assert {one.recv(1000) for one in idle} == {b""}
    wait_for(lambda: descriptors() <= before)


def test_a_pipeline_is_answered_in_order(serve_with, zoo):
    client = serve_with()
    photo, first = zoo.png("left"), b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with connected(client) as pipelined:
        pipelined.sendall((first + head(len(photo)) + photo) * 20 + last)
        answer = b"".join(iter(lambda: pipelined.recv(65_536), b""))
    assert answer.count(b"HTTP/1.1 200 ") == 41
    assert answer.endswith(b'{"live":true}')
