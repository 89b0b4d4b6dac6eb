"""A body on its way from uvicorn's parser to the application."""

import asyncio

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from serving.http.paced import Paced


class _Silent(asyncio.Transport):
    """What is sent to it is lost."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        pass

    def close(self) -> None:
        pass

    def is_closing(self) -> bool:
        return False


async def received(framing: bytes, arriving: list[bytes], feed=Paced.data_received) -> tuple[bytes, type]:
    """What the application gets of a body that comes before it asks, and what kept it meanwhile."""
    got = asyncio.get_running_loop().create_future()

    async def app(scope, receive, send):
        got.set_result((await receive())["body"])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    config = Config(app, lifespan="off")
    config.load()
    timeouts = {"read_timeout_s": 60.0, "write_timeout_s": 60.0}
    connection = Paced(config, ServerState(), {}, asyncio.get_running_loop(), **timeouts)
    connection.connection_made(_Silent())
    connection.data_received(b"POST / HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n" % framing)
    for data in arriving:
        feed(connection, data)
    kept = type(connection.cycle.body)
    body = await got
    connection.connection_lost(None)
    return body, kept


LENGTH, CHUNKED = b"Content-Length: 9999", b"Transfer-Encoding: chunked"


def test_a_body_in_one_piece_is_not_copied():
    def parsed(connection: Paced, body: bytes) -> None:
        connection.on_body(body)
        connection._take_body()

    piece = b"photo" * 100
    body, _ = asyncio.run(received(LENGTH, [piece], parsed))
    assert body is piece


@pytest.mark.parametrize("count", [2, 3, 1000])
def test_of_many_pieces_each_is_copied_once(count):
    """As one ``bytes`` after another, a megabyte in pieces of a byte would be copied for minutes."""
    body, kept = asyncio.run(received(LENGTH, [b"%03d" % number for number in range(count)]))
    assert body == b"".join(b"%03d" % number for number in range(count))
    assert kept is bytearray


@pytest.mark.parametrize("end", [b"", b"0\r\n\r\n"])
def test_chunks_that_come_together_are_one_piece(end):
    """Each on its own: 256 kB of chunks of a byte took 22 ms of the event loop, now 7."""
    body, kept = asyncio.run(received(CHUNKED, [b"1\r\na\r\n" * 1000 + end]))
    assert body == b"a" * 1000
    assert kept is bytes
