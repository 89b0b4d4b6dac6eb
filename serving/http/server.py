"""Server: the application on a socket, until SIGTERM or SIGINT."""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from math import ceil, inf
from time import monotonic
from types import FrameType
from typing import cast

import uvicorn
from fastapi import FastAPI

from serving.access.listening import begin
from serving.http.connection import Connection
from serving.http.crowd import most_connections
from serving.http.other_origins import OtherOrigins
from serving.http.refusing import noting, refusal
from serving.service import PredictionService
from serving.settings import Settings, listed

_log = logging.getLogger("loupe.server")

# uvloop takes one connection from a listener in each turn of the loop. When thousands come at once, the kernel's queue
# overflows and it drops them, to be tried again after 1, 3, 7, 15 s: so the listener is watched several times over.
# At 4 x capacity the p99 of accepted requests was 27.7 s with 1, and 3 % were reset; with 16 it is 2.1 s, and none is.
_ACCEPTORS = 16
_BACKLOG = 4096  # what Linux allows by default

_SIGNALLED = 128  # what shells add to a signal's number
_NOTHING_MORE = "Invalid HTTP request received."


def _is_of_use(record: logging.LogRecord) -> bool:
    """Of a request that is none, the connection's own line tells all that is known."""
    return record.msg != _NOTHING_MORE


@contextmanager
def stoppable() -> Iterator[None]:
    """While models load, SIGTERM ends the process, even where it is the first one of a container."""

    def stop(_: int, __: FrameType | None) -> None:
        raise SystemExit(0)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except SystemExit:
        _log.info("SIGTERM")
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


class Server(uvicorn.Server):
    """uvicorn, which drains at the first signal and exits with 0, and exits at once at the second.

    SIGTERM: not ready from now on; ``drain_pause_s`` later, when load balancers have noticed, no new connections, and
    what was begun is answered. SIGINT is the same without the pause. The second signal lets the event loop end its
    turn, and the third does not.
    """

    def __init__(
        self,
        app: FastAPI,
        listener: socket.socket,
        settings: Settings,
        on_ready: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Prepares the server.

        Args:
            app: the application, as ``create_app`` makes it.
            listener: as ``listen`` returns it; closed at the end.
            settings: those of the application.
            on_ready: called with the service's URL once it answers.
        """
        config = uvicorn.Config(
            app.middleware_stack,  # type: ignore[arg-type]  # uvicorn has types of its own
            loop="uvloop",
            http=_connection(app, settings),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            backlog=_BACKLOG,
            proxy_headers=False,  # believed by default from this machine; layers.py asks for their address
            timeout_keep_alive=ceil(settings.idle_timeout_s),
            # A body and then its answer; whatever is not done by then never will be.
            timeout_graceful_shutdown=ceil(2 * settings.request_timeout_s),
        )
        super().__init__(config)
        logging.getLogger("uvicorn.error").addFilter(_is_of_use)
        self._service: PredictionService = app.state.service
        self._tell = app.state.metrics.recorder.tell
        self._pause_s = settings.drain_pause_s
        self._stop_at, self._ends = inf, False
        self._untold: signal.Signals | None = None
        self._listener = listener
        self._on_ready = on_ready
        host, port = listener.getsockname()[:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def serve_until_stopped(self) -> None:
        """Answers requests; returns after a signal, when all that were begun are answered."""
        with ExitStack() as stack:
            others = [stack.enter_context(self._listener.dup()) for _ in range(_ACCEPTORS - 1)]
            self.run(sockets=[self._listener, *others])
        _log.info("stopped")

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Says so when it is done.

        Raises:
            SettingsError: another process has taken the address meanwhile, which uvloop would not tell.
        """
        begin(self._listener, _BACKLOG)
        await super().startup(sockets)
        self._on_ready(self.url)

    async def on_tick(self, counter: int) -> bool:
        """Logs the signal, as its handler may have come in the middle of a line; ends the pause."""
        if self._untold is not None:
            _log.info(self._untold.name)
            self._untold = None
        self.should_exit = self.should_exit or monotonic() >= self._stop_at
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drains; uvicorn would stop at once, and raise the signal again at the end."""
        if self._ends:
            os._exit(_SIGNALLED + sig)
        elif self._stop_at < inf:
            self._ends = True  # in its turn, as the loop may have been in the middle of telling
            asyncio.get_running_loop().call_soon_threadsafe(self._end, sig)
        else:
            self._drain(sig)

    def _drain(self, sig: int) -> None:
        self._service.drain()
        # In every answer from now on, so that clients who keep connections leave before they are closed.
        for headers in (self.config.encoded_headers, self.server_state.default_headers):
            headers.append((b"connection", b"close"))
        self._untold = signal.Signals(sig)
        self._stop_at = monotonic() + (self._pause_s if sig == signal.SIGTERM else 0)

    def _end(self, sig: int) -> None:
        self._tell()
        _log.warning("%s again: what was begun is given up", signal.Signals(sig).name)
        os._exit(_SIGNALLED + sig)  # threads in the middle of a photo would hold up a milder exit


def _connection(app: FastAPI, settings: Settings) -> type[asyncio.Protocol]:
    note = noting(app.state.metrics.recorder, settings.root_path or "")
    bounded = partial(
        Connection,
        refuse=refusal(app.state.service, note),
        note=note,
        other_origins=OtherOrigins(listed(settings.cors_origins)),
        max_connections=most_connections(),
        max_header_bytes=settings.max_header_bytes,
        header_timeout_s=settings.header_timeout_s,
        idle_timeout_s=settings.idle_timeout_s,
        body_timeout_s=settings.request_timeout_s,
        read_timeout_s=settings.read_timeout_s,
        write_timeout_s=settings.write_timeout_s,
    )
    return cast(type[asyncio.Protocol], bounded)  # uvicorn only ever calls it
