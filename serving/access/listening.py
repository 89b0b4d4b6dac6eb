"""Listening: an address of this machine, taken early."""

import socket
from contextlib import ExitStack

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
