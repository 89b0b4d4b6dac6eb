"""Budget: a bounded amount of something that all requests share, such as bytes held or images in the house."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from models.errors import QueueFullError, RequestTooLargeError


class Budget:
    """Counts what is taken; for one thread, the event loop's."""

    def __init__(self, limit: int, unit: str) -> None:
        self.limit = limit
        self.unit = unit
        self.taken = 0

    @contextmanager
    def lease(self) -> Iterator[Callable[[int], None]]:
        """Yields ``take(amount)``; gives all that it took back at the end.

        ``take`` raises QueueFullError beyond the limit, and RequestTooLargeError where no wait would ever help.
        """
        leased = 0

        def take(amount: int) -> None:
            nonlocal leased
            if leased + amount > self.limit:
                raise RequestTooLargeError(f"the request needs more than the {self.limit} {self.unit} that there are")
            if self.taken + amount > self.limit:
                raise QueueFullError(
                    f"the service is full: it holds {self.taken} of {self.limit} {self.unit}; try again"
                )
            self.taken += amount
            leased += amount

        try:
            yield take
        finally:
            self.taken -= leased
