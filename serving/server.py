"""Server: the application on a socket, until SIGTERM or SIGINT."""

import socket
from collections.abc import Callable
from contextlib import ExitStack
from math import ceil
from types import FrameType

import uvicorn
from fastapi import FastAPI

from models.errors import SettingsError


def listen(host: str, port: int) -> socket.socket:
    """Takes an address before the models are loaded, so that one in use is known at once; port 0 takes a free one.

    Raises:
        SettingsError: the address cannot be listened on.
    """
    try:
        family, type_, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with ExitStack() as on_error:
            listener = on_error.enter_context(socket.socket(family, type_, protocol))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            on_error.pop_all()
            return listener
    except OSError as error:
        raise SettingsError(f"the address {host}:{port} cannot be listened on: {error.strerror}") from None


class Server(uvicorn.Server):
    """uvicorn, which lets what is being answered finish at the first signal, and then exits with 0."""

    def __init__(
        self,
        app: FastAPI,
        listener: socket.socket,
        grace_s: float,
        on_ready: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Prepares the server.

        Args:
            app: the application.
            listener: as ``listen`` returns it; closed at the end.
            grace_s: seconds that answers may take after the first signal.
            on_ready: called with the service's URL once it answers.
        """
        config = uvicorn.Config(
            app,
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=ceil(grace_s),
        )
        super().__init__(config)
        self._listener = listener
        self._on_ready = on_ready
        host, port = listener.getsockname()[:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def serve_until_stopped(self) -> None:
        """Answers requests; returns after a signal, when all that were begun are answered."""
        self.run(sockets=[self._listener])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Says so when it is done."""
        await super().startup(sockets)
        self._on_ready(self.url)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stops at the first signal, drops what is open at the second; uvicorn would raise them again at the end."""
        self.force_exit = self.should_exit
        self.should_exit = True
