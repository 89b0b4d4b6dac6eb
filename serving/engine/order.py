"""Order: what waits, the cheapest first, and nobody passed over for long."""

import heapq
from itertools import count
from typing import Generic, TypeVar

Item = TypeVar("Item")

PATIENCE = 4.0
"""What comes later may pass, if it comes within so many times the time that the waiting one takes itself."""


class Order(Generic[Item]):
    """A queue in which small jobs do not wait behind large ones.

    A job of ``seconds`` that comes at ``now`` stands at ``now + PATIENCE * seconds``, and stays there. So it is passed
    only by jobs that come within that time after it: shortest job first with ageing, where the bound needs no clock.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Item]] = []
        self._arrivals = count()

    def __len__(self) -> int:
        return len(self._heap)

    def push(self, item: Item, seconds: float, now: float) -> None:
        """Adds a job of so many seconds, as it comes."""
        heapq.heappush(self._heap, (now + PATIENCE * seconds, next(self._arrivals), item))

    @property
    def first(self) -> Item:
        """The next one."""
        return self._heap[0][2]

    def pop(self) -> Item:
        """Takes the next one out."""
        return heapq.heappop(self._heap)[2]

    def remove(self, item: Item) -> bool:
        """Takes out one that nobody waits for any more; says whether it was here."""
        kept = [one for one in self._heap if one[2] is not item]
        found = len(kept) < len(self._heap)
        if found:
            self._heap = kept
            heapq.heapify(self._heap)
        return found
