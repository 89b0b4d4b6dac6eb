"""What a socket may do to the server, and what it may not."""

import json
import re
import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

PATH = "/v1/models/orientation:predict"
HOST = "Host: x\r\n"


@contextmanager
def connected(client) -> Iterator[socket.socket]:
    address = urlsplit(str(client.base_url))
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        yield connection


def until_closed(connection: socket.socket) -> bytes:
    answer = b""
    while True:
        try:
            chunk = connection.recv(65_536)
        except ConnectionResetError:
            return answer
        if not chunk:
            return answer
        answer += chunk


def trickle(connection: socket.socket) -> bytes:
    """Sends a byte now and then until there is an answer."""
    for _ in range(600):
        if select.select([connection], [], [], 0.05)[0]:
            return connection.recv(65_536)
        connection.sendall(b"x")
    pytest.fail("there was no answer within 30 s")


def status_and_error(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    assert len(body) == int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    return int(head.split()[1]), json.loads(body)["error_type"]


def in_one(size: int) -> list[bytes]:
    return [f"GET /health/live HTTP/1.1\r\n{HOST}x: {'x' * size}\r\n\r\n".encode()]


def in_pieces(size: int) -> list[bytes]:
    """Without the end of the headers, so that nothing but their number of bytes can be the matter."""
    return [f"GET /health/live HTTP/1.1\r\n{HOST}".encode(), *[b"x: " + b"y" * 1000 + b"\r\n"] * (size // 1000)]


@pytest.mark.parametrize(
    "pieces", [in_one(40_000), in_pieces(40_000), [b"GET /" + b"x" * 40_000], in_one(1_000_000)], ids=range(4)
)
def test_headers_beyond_the_limit_are_431(client, pieces):
    with connected(client) as connection:
        for piece in pieces:
            connection.sendall(piece)
        assert status_and_error(until_closed(connection)) == (431, "HeadersTooLargeError")


def test_headers_within_the_limit_are_read_however_they_come(client):
    with connected(client) as connection:
        for byte in in_one(300)[0]:
            connection.sendall(bytes([byte]))
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        for _ in range(40):  # the limit is for each request
            connection.sendall(in_one(20_000)[0])
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")


def test_a_large_body_behind_its_headers_is_no_large_header(client, zoo):
    photo = zoo.png(size=(1000, 1000)) + b"\0" * 200_000
    with connected(client) as connection:
        connection.sendall(f"POST {PATH} HTTP/1.1\r\n{HOST}Content-Length: {len(photo)}\r\n\r\n".encode() + photo)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")


def test_the_limit_is_a_setting(serve_with):
    client = serve_with(max_header_bytes=2000)
    assert client.get("/health/live").status_code == 200
    response = client.get("/health/live", headers={"x": "y" * 2000})
    assert (response.status_code, response.json()["error_type"]) == (431, "HeadersTooLargeError")


REFUSED = {
    400: f"GET /health/live HTTP/1.1\r\n{HOST}Origin: %s\r\nTransfer-Encoding: gzip\r\n\r\n",
    431: f"GET /health/live HTTP/1.1\r\n{HOST}Origin: %s\r\nx: {'x' * 40_000}\r\n\r\n",
    408: f"POST {PATH} HTTP/1.1\r\n{HOST}Origin: %s\r\nContent-Length: 10\r\n\r\n",
}


@pytest.mark.parametrize("origins", ["https://a.example, https://b.example", "*", None])
def test_pages_of_other_origins_can_read_what_the_connection_refuses(serve_with, origins):
    client = serve_with(cors_origins=origins, read_timeout_s=1)
    for status, request in REFUSED.items():
        for origin, may in (("https://b.example", origins is not None), ("https://evil.example", origins == "*")):
            with connected(client) as connection:
                connection.sendall((request % origin).encode())
                answer = until_closed(connection)
            assert answer.startswith(b"HTTP/1.1 %d " % status)
            said = b"*" if origins == "*" else origin.encode()
            assert (b"access-control-allow-origin: " + said + b"\r\n" in answer) == may
            assert (b"\r\naccess-control-allow-origin" in answer) == may


def test_what_is_no_http_is_told(client):
    with connected(client) as connection:
        connection.sendall(b"\x16\x03\x01 this would be TLS\r\n\r\n")
        assert status_and_error(until_closed(connection)) == (400, "RequestError")


@pytest.mark.parametrize("sent", [b"", b"GET /health/live HTTP/1.1\r\nHost:"])
def test_a_connection_that_asks_nothing_whole_ends(serve_with, sent):
    with connected(serve_with(idle_timeout_s=0.3, header_timeout_s=0.3)) as connection:
        connection.sendall(sent)
        answer = until_closed(connection)
    assert (status_and_error(answer) if answer else None) == ((408, "RequestTimeoutError") if sent else None)


def test_headers_that_trickle_in_are_cut(serve_with):
    """Each byte alone would come early enough."""
    with connected(serve_with(header_timeout_s=0.5)) as connection:
        connection.sendall(b"GET /")
        answer = trickle(connection) + until_closed(connection)
    assert status_and_error(answer) == (408, "RequestTimeoutError")


def test_the_first_byte_is_waited_for_longer_than_the_rest(serve_with):
    client = serve_with(header_timeout_s=0.5, idle_timeout_s=3)
    with connected(client) as connection:
        time.sleep(1.5)
        started = time.monotonic()
        connection.sendall(b"GET /")
        assert status_and_error(until_closed(connection)) == (408, "RequestTimeoutError")
        assert time.monotonic() - started < 2


def test_bytes_that_begin_no_request_keep_no_connection(serve_with):
    """Empty lines before a request are allowed; after an answer they kept a connection open for ever."""
    with connected(serve_with(idle_timeout_s=1)) as connection:
        connection.sendall(f"GET /health/live HTTP/1.1\r\n{HOST}\r\n".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        connection.sendall(b"\r\n")
        assert until_closed(connection) == b""


def test_an_idle_connection_ends_after_its_answer(serve_with):
    with connected(serve_with(idle_timeout_s=0.5)) as connection:
        connection.sendall(f"GET /health/live HTTP/1.1\r\n{HOST}\r\n".encode())
        assert until_closed(connection).startswith(b"HTTP/1.1 200")


def test_a_slow_body_is_cut_and_takes_no_place_in_the_queue(serve_with, zoo):
    """There is one place, and a body that does not come: whoever comes whole meanwhile is answered."""
    client = serve_with(request_timeout_s=3, max_queued_images=1, max_request_images=1)
    with connected(client) as slow:
        slow.sendall(f"POST {PATH} HTTP/1.1\r\n{HOST}Content-Length: 100000\r\n\r\n".encode() + zoo.png())
        client.get("/health/live")  # those who come in one turn of the loop count as waiting until the next
        assert client.post(PATH, content=zoo.png()).status_code == 200
        answer = trickle(slow) + until_closed(slow)
    assert status_and_error(answer) == (408, "RequestTimeoutError")


def head(line: str, headers: str = HOST) -> bytes:
    return f"{line} HTTP/1.1\r\nX-Request-ID: mine\r\n{headers}".encode()


SLOW_BODY = head(f"POST {PATH}", f"{HOST}Content-Length: 9999\r\n\r\n") + b"abc"
TOLD = [
    (SLOW_BODY, "POST", PATH, 408, "RequestTimeoutError", "predict"),
    (
        head(f"POST {PATH}?x", f"{HOST}Transfer-Encoding: chunked\r\n\r\nno"),
        "POST",
        PATH,
        400,
        "RequestError",
        "predict",
    ),
    (head("GET /slow?of=me"), "GET", "/slow", 408, "RequestTimeoutError", "other"),
    (head(f"POST /loupe{PATH}", f"{HOST}{HOST}\r\n"), "POST", f"/loupe{PATH}", 400, "RequestError", "predict"),
    (head("GET /large", f"x: {'x' * 40_000}\r\n\r\n"), "GET", "/large", 431, "HeadersTooLargeError", "other"),
    (head("FOO /health", f"{HOST}\r\n"), "FOO", "/health", 400, "RequestError", "other"),
    (head("OPTIONS *", f"{HOST}\r\n"), "OPTIONS", "*", 400, "RequestError", "other"),
    (b"GET /" + b"x" * 40_000, "GET", "/" + "x" * 2047, 431, "HeadersTooLargeError", "other"),
    (b"\x16\x03\x01 this would be TLS\r\n\r\n", "-", "-", 400, "RequestError", "other"),
]


def test_what_the_connection_refuses_is_counted_and_logged_with_its_id(serve_with, caplog):
    """One line each, of the answer that was given: a slow body was a 499 there, and the others were nowhere."""
    client = serve_with(read_timeout_s=0.3, header_timeout_s=0.3, root_path="/loupe")
    with caplog.at_level("INFO", "loupe.access"):
        for number, (sent, *_) in enumerate(TOLD):
            with connected(client) as connection:
                connection.sendall(sent)
                answer = until_closed(connection)
            told = re.search(rb"\r\nx-request-id: (\S+)\r\n", answer)[1].decode()
            assert told == "mine" or number > 4
            wait_for(lambda told=told, number=number: lines(caplog)[number:] == [(*TOLD[number][1:4], told)])
        assert client.get("/health/live").status_code == 200
    metrics = client.get("/metrics").text
    for *_, status, error, protocol in TOLD:
        assert f'loupe_rejected_requests_total{{protocol="{protocol}",reason="{error}"}}' in metrics
        assert re.search(rf'loupe_requests_total{{.*protocol="{protocol}",status="{status}"', metrics)
    assert 'status="499"' not in metrics
    assert not [one for one in caplog.records if one.name == "uvicorn.error" and one.levelname == "WARNING"]


def lines(caplog) -> list[tuple[object, ...]]:
    records = [vars(one) for one in caplog.records if one.name == "loupe.access"]
    return [tuple(one[name] for name in ("method", "path", "status", "request_id")) for one in records]


def wait_for(condition) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.02)


def test_what_is_no_request_is_told_why(client):
    for sent, sentence in ((TOLD[5][0], b"there is no method FOO; there are GET"), (TOLD[6][0], b"must begin with /")):
        with connected(client) as connection:
            connection.sendall(sent)
            assert sentence in until_closed(connection)
