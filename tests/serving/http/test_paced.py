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


async def received(pieces: list[bytes]) -> tuple[bytes, type]:
    """What the application gets of pieces that come before it asks, and what kept them meanwhile."""
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
    connection.data_received(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n")
    for piece in pieces:
        connection.on_body(piece)
    kept = type(connection.cycle.body)
    body = await got
    connection.connection_lost(None)
    return body, kept


def test_a_body_in_one_piece_is_not_copied():
    piece = b"photo" * 100
    body, _ = asyncio.run(received([piece]))
    assert body is piece


@pytest.mark.parametrize("count", [2, 3, 1000])
def test_of_many_pieces_each_is_copied_once(count):
    """As one ``bytes`` after another, a megabyte in pieces of a byte would be copied for minutes."""
    body, kept = asyncio.run(received([b"%03d" % number for number in range(count)]))
    assert body == b"".join(b"%03d" % number for number in range(count))
    assert kept is bytearray
