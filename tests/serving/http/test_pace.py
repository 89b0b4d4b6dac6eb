"""Outgoing: an answer's head leaves with its body, and nothing is lost or overtaken where there is no body."""

import asyncio

from serving.http.pace import Outgoing


class _Wire(asyncio.Transport):
    """What left, by system call."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent.append(bytes(data))

    def writelines(self, pieces) -> None:
        self.sent.append(b"".join(pieces))

    def close(self) -> None:
        self.sent.append(b"closed")


def in_a_loop(test):
    def run() -> None:
        async def connected() -> None:
            wire = _Wire()
            await test(Outgoing(wire, wire.close, asyncio.get_running_loop()), wire)

        asyncio.run(connected())

    return run


@in_a_loop
async def test_head_and_body_leave_together(outgoing: Outgoing, wire: _Wire):
    outgoing.write(b"head ")
    outgoing.write(b"body")
    assert wire.sent == [b"head body"]
    await asyncio.sleep(0)
    assert wire.sent == [b"head body"]
    assert outgoing.written == len(b"head body")


@in_a_loop
async def test_a_head_without_a_body_leaves_in_the_next_turn(outgoing: Outgoing, wire: _Wire):
    outgoing.write(b"head")
    assert wire.sent == []
    await asyncio.sleep(0)
    assert wire.sent == [b"head"]


@in_a_loop
async def test_what_comes_later_comes_behind_it(outgoing: Outgoing, wire: _Wire):
    outgoing.write(b"head")
    await asyncio.sleep(0)
    for piece in (b"one", b"two", b"three"):
        outgoing.write(piece)
    await asyncio.sleep(0)
    assert wire.sent == [b"head", b"onetwo", b"three"]


@in_a_loop
async def test_closing_sends_it_first(outgoing: Outgoing, wire: _Wire):
    outgoing.write(b"head")
    outgoing.close()
    await asyncio.sleep(0)
    assert wire.sent == [b"head", b"closed"]
