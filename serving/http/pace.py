"""Pace: a body or an answer that hardly moves is given up, as it holds a share of what all callers have."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from fcntl import ioctl
from socket import SO_LINGER, SOL_SOCKET
from struct import pack, unpack
from termios import TIOCOUTQ

# Apache asks for 500 bytes a second, Kestrel for 240; the slowest telephones in use bring about 10,000.
LEAST_BYTES_PER_S = 4096


class Pace:
    """Looks once in a while whether enough has moved since it last looked."""

    def __init__(self, loop: asyncio.AbstractEventLoop, window_s: float) -> None:
        self.window_s = window_s
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None

    def start(self, moved: Callable[[], int], slow: Callable[[], None]) -> None:
        """Begins, unless it has begun: ``slow`` is called once if ``moved`` grows by too little in a window."""
        if self._timer is None:
            self._timer = self._loop.call_later(self.window_s, self._look, moved(), moved, slow)

    def stop(self) -> None:
        """Looks no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, before: int, moved: Callable[[], int], slow: Callable[[], None]) -> None:
        self._timer = None
        if moved() - before < LEAST_BYTES_PER_S * self.window_s:
            slow()
        else:
            self.start(moved, slow)


class Outgoing(asyncio.Transport):
    """What uvicorn writes answers to; how it is closed is the connection's to decide.

    An answer's head waits for its body until the loop's next turn, as the system call for each took a tenth of all
    that an answer costs the loop.

    Attributes:
        written: bytes so far.
    """

    def __init__(
        self, transport: asyncio.Transport, close: Callable[[], None], loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__()
        self.written = 0
        self._transport = transport
        self._close = close
        self._loop = loop
        self._held: bytes | bytearray | memoryview = b""

    @property
    def arrived(self) -> int:
        """Bytes that have left this machine: Linux holds megabytes, which it lets go of in lumps."""
        waiting = self._transport.get_write_buffer_size()
        try:
            queued = ioctl(self._transport.get_extra_info("socket").fileno(), TIOCOUTQ, bytes(4))
        except OSError:  # closed by the other side
            queued = bytes(4)
        return self.written - len(self._held) - waiting - int(unpack("i", queued)[0])

    def cut(self) -> None:
        """Ends the connection, and drops what this machine still holds for it, which a mere end would go on sending."""
        with suppress(OSError):
            self._transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))
        self._transport.abort()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Sends, this turn of the loop or the next."""
        self.written += len(data)
        if self._held:
            held, self._held = self._held, b""
            self._transport.writelines((held, data))
        else:
            self._held = data
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Sends what waits; before anything else is done to the connection."""
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held)

    def is_closing(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Called by uvicorn after a last answer."""
        self.flush()
        self._close()
