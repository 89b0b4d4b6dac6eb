"""Gate: lets threads finish what they began before something ends, and begin nothing after that."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from models.errors import ServiceError


class Gate:
    """Open until it is closed."""

    def __init__(self) -> None:
        self._idle = threading.Condition()
        self._inside = 0
        self._closed = False

    @contextmanager
    def passed(self) -> Iterator[None]:
        """Within, it does not come to be closed.

        Raises:
            ServiceError: it is closed.
        """
        with self._idle:
            if self._closed:
                raise ServiceError("it was not begun, as Loupe was told to stop")
            self._inside += 1
        try:
            yield
        finally:
            with self._idle:
                self._inside -= 1
                self._idle.notify_all()

    def close(self) -> None:
        """Waits until nobody is inside."""
        with self._idle:
            self._closed = True
            self._idle.wait_for(lambda: not self._inside)
