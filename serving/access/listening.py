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
        raise _cannot(host, port, error) from None


def begin(listener: socket.socket, backlog: int) -> None:
    """Lets callers come; until then the address is kept from nobody who takes it as ``listen`` does.

    Args:
        listener: as ``listen`` returns it.
        backlog: callers that may wait to be taken.

    Raises:
        SettingsError: another process was faster.
    """
    try:
        listener.listen(backlog)
    except OSError as error:
        host, port = listener.getsockname()[:2]
        raise _cannot(host, port, error) from None


def _cannot(host: str, port: int, error: OSError) -> SettingsError:
    return SettingsError(f"the address {host}:{port} cannot be listened on: {error.strerror}")
