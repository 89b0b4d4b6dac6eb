"""SIGHUP: read again what may change while the service runs."""

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from models.errors import LoupeError

_log = logging.getLogger("loupe.hangup")


def hold_hangups() -> None:
    """Keeps a SIGHUP that comes while models load for ``on_hangup``; by default it would end the process."""
    signal.signal(signal.SIGHUP, _Held())


class _Held:
    """A handler; blocking the signal would not do, as threads that NumPy has begun by now let it through."""

    def __init__(self) -> None:
        self.came = False

    def __call__(self, *_: object) -> None:
        self.came = True


@contextmanager
def on_hangup(callbacks: Sequence[Callable[[], object]]) -> Iterator[None]:
    """Calls each of them, in the event loop, at every SIGHUP; what fails is logged and changes nothing.

    Signals arrive in the main thread alone: elsewhere, as in tests, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    held = signal.getsignal(signal.SIGHUP)
    loop.add_signal_handler(signal.SIGHUP, _call_all, callbacks)
    if isinstance(held, _Held) and held.came:
        loop.call_soon(_call_all, callbacks)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)


def _call_all(callbacks: Sequence[Callable[[], object]]) -> None:
    _log.info("SIGHUP")
    for callback in callbacks:
        try:
            callback()
        except LoupeError as error:
            _log.error(str(error))
