"""One request in, one request parsed: what the desync literature and parsers' trackers know, over a bare socket.

Each trick is sent alone, and through Debian's nginx, which denies ``/version`` and passes offers of an upgrade on.
"""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

PATH = "/v1/models/orientation:predict"
SMUGGLED = b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n"
HOST = b"Host: x\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"


def get(*headers: bytes, line: bytes = b"GET /health/live HTTP/1.1") -> bytes:
    return b"\r\n".join([line, *headers]) + b"\r\n\r\n"


def post(head: bytes, body: bytes = SMUGGLED, version: bytes = b"1.1", host: bytes = HOST) -> bytes:
    return b"POST " + PATH.encode() + b" HTTP/" + version + b"\r\n" + host + head + b"\r\n" + body


LAST = get(b"Host: x", b"Connection: close")


def length(body: bytes = SMUGGLED) -> bytes:
    return b"Content-Length: %d\r\n" % len(body)


def chunk(data: bytes = SMUGGLED) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


REFUSED = {
    "two lengths": post(length() + b"Content-Length: 0\r\n"),
    "the same length twice": post(length() + length()),
    "a list of lengths": post(b"Content-Length: 0, 0\r\n"),
    "length with a plus": post(b"Content-Length: +0\r\n"),
    "length below nought": post(b"Content-Length: -1\r\n"),
    "length in hexadecimal": post(b"Content-Length: 0x0\r\n"),
    "length with an underscore": post(b"Content-Length: 1_0\r\n"),
    "length beyond 64 bits": post(b"Content-Length: 18446744073709551616\r\n"),
    "no length in its header": post(b"Content-Length:\r\n"),
    "length and chunked": post(b"Content-Length: 5\r\n" + CHUNKED, b"0\r\n\r\n" + SMUGGLED),
    "chunked and length": post(CHUNKED + b"Content-Length: 5\r\n", b"0\r\n\r\n" + SMUGGLED),
    "chunked twice": post(CHUNKED + CHUNKED, b"0\r\n\r\n" + SMUGGLED),
    "chunked, then identity": post(CHUNKED + b"Transfer-Encoding: identity\r\n", b"0\r\n\r\n" + SMUGGLED),
    "gzip, chunked": post(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n" + SMUGGLED),
    "an empty coding, chunked": post(b"Transfer-Encoding: ,chunked\r\n", b"0\r\n\r\n" + SMUGGLED),
    "chunked, gzip": post(b"Transfer-Encoding: chunked, gzip\r\n", b"0\r\n\r\n" + SMUGGLED),
    "identity": post(b"Transfer-Encoding: identity\r\n"),
    "xchunked": post(b"Transfer-Encoding: xchunked\r\n"),
    "chunked in quotes": post(b'Transfer-Encoding: "chunked"\r\n'),
    "a vertical tab, chunked": post(b"Transfer-Encoding: \x0bchunked\r\n"),
    "a space before the colon": post(b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n" + SMUGGLED),
    "chunked, folded": post(b"Transfer-Encoding:\r\n chunked\r\n", b"0\r\n\r\n" + SMUGGLED),
    "chunked in HTTP/1.0": post(CHUNKED, b"0\r\n\r\n" + SMUGGLED, version=b"1.0"),
    "a chunk of 0x0": post(CHUNKED, b"0x0\r\n\r\n" + SMUGGLED),
    "a chunk of +0": post(CHUNKED, b"+0\r\n\r\n" + SMUGGLED),
    "a chunk below nought": post(CHUNKED, b"-1\r\n\r\n" + SMUGGLED),
    "a chunk beyond 64 bits": post(CHUNKED, b"ffffffffffffffff1\r\n" + SMUGGLED),
    "a chunk that is longer than it says": post(CHUNKED, b"1\r\nxy\r\n0\r\n\r\n" + SMUGGLED),
    "bare line feeds around chunks": post(CHUNKED, b"0\n\n" + SMUGGLED),
    "a bare line feed behind a chunk": post(CHUNKED, b"1\r\nx\n0\r\n\r\n" + SMUGGLED),
    "a bare line feed in an extension": post(CHUNKED, b"1;a\nx\r\n0\r\n\r\n" + SMUGGLED),
    "a length among the trailers": post(CHUNKED, b"0\r\nContent-Length: 40\r\n\r\n" + SMUGGLED),
    "a bare line feed behind the line": b"GET /health/live HTTP/1.1\nHost: x\r\n\r\n",
    "a bare line feed behind a header": get(b"Host: x\nA: b"),
    "a bare line feed at the end": b"GET /health/live HTTP/1.1\r\nHost: x\r\n\n" + SMUGGLED,
    "a bare carriage return": get(b"Host: x\rA: b"),
    "a folded header": get(b"Host: x", b"A: b", b" c"),
    "a folded first header": get(b" Host: x"),
    "a header without a colon": get(b"Host: x", b"abc"),
    "a header without a name": get(b"Host: x", b": abc"),
    "a zero byte in a header": get(b"Host: x", b"A: b\0c"),
    "no Host": get(),
    "two Hosts": get(b"Host: x", b"Host: y"),
    "a Host with a user": get(b"Host: a@x"),
    "a Host with a path": get(b"Host: x/version"),
    "a list of Hosts": get(b"Host: x, y"),
    "HTTP/0.9": b"GET /health/live\r\n\r\n",
    "HTTP/1.2": get(b"Host: x", line=b"GET /health/live HTTP/1.2"),
    "HTTP/2.0": get(b"Host: x", line=b"GET /health/live HTTP/2.0"),
    "HTTP/2's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "CONNECT": get(b"Host: x", line=b"CONNECT x:1 HTTP/1.1") + SMUGGLED,
    "a method in small letters": get(b"Host: x", line=b"get /health/live HTTP/1.1"),
    "a fragment": get(b"Host: x", line=b"GET /health/live#/version HTTP/1.1"),
    "a space in the address": get(b"Host: x", line=b"GET /health/live /version HTTP/1.1"),
    "a zero byte in the address": get(b"Host: x", line=b"GET /health/live\0/version HTTP/1.1"),
}
"""Each is 400, and the end of its connection."""

READ = {
    "upgrade to h2c": post(H2C + length()),
    "upgrade to h2c, chunked": post(H2C + CHUNKED, chunk() + b"0\r\n\r\n"),
    "upgrade to websocket": post(b"Connection: upgrade\r\nUpgrade: websocket\r\n" + length()),
    "upgrade to anything": post(b"Connection: keep-alive, Upgrade\r\nUpgrade: x/1\r\n" + length()),
    "upgrade without a connection": post(b"Upgrade: h2c\r\n" + length()),
    "a request as a chunk": post(CHUNKED, chunk() + b"0\r\n\r\n"),
    "a request as a body": post(length()),
    "a length with a nought before it": post(b"Content-Length: 0%d\r\n" % len(SMUGGLED)),
    "Chunked in capitals": post(b"Transfer-Encoding: CHUNKED \r\n", chunk() + b"0\r\n\r\n"),
    "an extension": post(CHUNKED, b"1;a=b\r\nx\r\n0\r\n\r\n"),
    "trailers": post(CHUNKED, chunk() + b"0\r\nContent-Encoding: gzip\r\n\r\n"),
    "an underscore in the coding": post(b"Transfer_Encoding: chunked\r\n" + length()),
}
"""Each is one request whose body is no image."""


@pytest.fixture(scope="module")
def nginx(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    if (program := shutil.which("nginx", path="/usr/sbin:/usr/bin")) is None:
        pytest.skip("nginx is not installed")
    folder = tmp_path_factory.mktemp("nginx")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "nginx.conf").write_text(_configuration(folder, port, urlsplit(url).netloc))
    command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    with subprocess.Popen(command) as process:
        try:
            _wait_for(port)
            yield "127.0.0.1", port
        finally:
            process.terminate()


def _configuration(folder: Path, port: int, upstream: str) -> str:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    return f"""daemon off; master_process off; pid {folder}/pid; events {{}}
    http {{ access_log off; {temporary} underscores_in_headers on;
      map $http_upgrade $offer {{ default upgrade; '' ''; }}
      upstream loupe {{ server {upstream}; keepalive 1; }}
      server {{ listen 127.0.0.1:{port};
        location = /version {{ return 403; }}
        location / {{ proxy_pass http://loupe; proxy_http_version 1.1; proxy_request_buffering off;
          proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $offer; }} }} }}"""


def _wait_for(port: int) -> None:
    for _ in range(200):
        with socket.socket() as trial:
            if trial.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail("nginx does not listen")


@pytest.fixture
def address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname, parts.port


def exchange(address: tuple[str, int], sent: bytes, *, pieces: int = 0, end: bool = False) -> bytes:
    """Sends bytes, perhaps in pieces; returns all that comes until the server ends, or nothing more comes."""
    with socket.create_connection(address, timeout=30) as connection:
        for start in range(0, len(sent), pieces or len(sent)):
            connection.sendall(sent[start : start + (pieces or len(sent))])
            time.sleep(0.0005 if pieces else 0)
        answer = connection.recv(65_536)
        connection.settimeout(30 if end else 0.1)
        try:
            while piece := connection.recv(65_536):
                answer += piece
        except TimeoutError:
            assert not end, "the connection was not ended"
        return answer


def statuses(answer: bytes) -> list[int]:
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]


@pytest.mark.parametrize("sent", REFUSED.values(), ids=REFUSED)
def test_what_could_be_read_in_two_ways_is_refused(address, sent):
    answer = exchange(address, sent, end=True)
    assert statuses(answer) == [400]
    assert b'"error_type":"RequestError"' in answer.replace(b" ", b"")
    assert b"connection: close" in answer.lower()


@pytest.mark.parametrize("pieces", [0, 7])
@pytest.mark.parametrize("sent", READ.values(), ids=READ)
def test_what_is_one_request_is_one(address, sent, pieces):
    """What stands behind it on the same connection is the next one, as ever."""
    answer = exchange(address, sent + sent + LAST, pieces=pieces, end=True)
    assert statuses(answer) == [415, 415, 200]
    assert b"onnxruntime" not in answer


@pytest.mark.parametrize("sent", [*REFUSED.values(), *READ.values()], ids=[*REFUSED, *READ])
def test_behind_nginx_nothing_gets_past_it(nginx, sent):
    answer = exchange(nginx, sent)
    assert b"onnxruntime" not in answer  # nor is it left behind for whoever comes next on nginx' connection:
    assert httpx.get(f"http://{nginx[0]}:{nginx[1]}/health/live", timeout=30).json() == {"live": True}


def test_an_offer_of_an_upgrade_is_answered_like_any_request(address, zoo):
    """As Java's HttpClient makes it by default."""
    photo = zoo.png("left")
    for sent in (post(H2C + length(photo), photo), post(H2C + CHUNKED, chunk(photo) + b"0\r\n\r\n")):
        answer = exchange(address, sent + LAST, end=True)
        assert (statuses(answer), b'"left"' in answer) == ([200, 200], True)


def test_a_pipeline_of_offers_is_no_recursion(address):
    offer = b"GET /health/live HTTP/1.1\r\n" + HOST + H2C + b"\r\n"
    assert statuses(exchange(address, offer * 400 + LAST, end=True)) == [200] * 401


def test_http_1_0_hears_no_100(address, zoo):
    """Nor does it need a Host."""
    photo = zoo.png()
    head = b"Expect: 100-continue\r\n" + length(photo)
    assert statuses(exchange(address, post(head, photo, version=b"1.0", host=b""), end=True)) == [200]
    assert statuses(exchange(address, post(head, photo) + LAST, end=True)) == [100, 200, 200]


@pytest.mark.parametrize(
    "endless", [b"1;" + b"x" * 600_000, chunk(b"x") + b"0\r\n" + b"a: b\r\n" * 100_000], ids=["extension", "trailers"]
)
def test_what_is_around_chunks_has_an_end(address, endless):
    """Not counted is what comes in one read with the head, 256 KiB at most."""
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall(post(CHUNKED, b"") + endless)
        assert statuses(connection.recv(65_536)) == [400]


def test_chunks_of_one_byte_are_read(address):
    answer = exchange(address, post(CHUNKED, b"1\r\nx\r\n" * 50_000 + b"0\r\n\r\n") + LAST, end=True)
    assert statuses(answer) == [415, 200]
