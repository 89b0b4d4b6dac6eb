import asyncio
from contextlib import suppress

from loadtest.arrivals import Arrivals, Request


def test_a_connection_that_is_to_be_closed_is_not_asked_again():
    """As a HAProxy says that has read its configuration anew: its next answer is the last on each connection."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            for connection in ("keep-alive", "Close"):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: {connection}\r\n\r\n{{}}".encode())
        writer.close()
        ended.release()

    async def go() -> Arrivals:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            [listener] = server.sockets
            arrivals = Arrivals(f"http://127.0.0.1:{listener.getsockname()[1]}", Request("/", b""))
            await arrivals.ask_again(clients=2, duration_s=0.1)
            for _ in range(-(-arrivals.statuses.total() // 2)):
                await ended.acquire()
            return arrivals

    ended = asyncio.Semaphore(0)
    statuses = asyncio.run(go()).statuses
    assert set(statuses) == {"200"}
    assert statuses["200"] > 4
