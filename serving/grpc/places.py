"""Places: how many messages may arrive at once, and who has to go when others wait."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from models.errors import RequestTimeoutError
from serving.engine.budget import caller


class Places:
    """A message that does not come has a place for a long time, but for a short one where others wait for it."""

    def __init__(self, count: int, of_one: int, longest_s: float, contested_s: float) -> None:
        """All are free.

        Args:
            count: how many there are.
            of_one: how many of them one caller may have.
            longest_s: seconds that a call may wait for a place, and have it then.
            contested_s: seconds that it may have it while all are taken, or all of its caller's.
        """
        self._free = asyncio.Semaphore(count)
        self._of_one = of_one
        self._longest_s, self._contested_s = longest_s, min(longest_s, contested_s)
        self._callers: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._taken: dict[asyncio.Timeout, tuple[float, asyncio.Semaphore]] = {}

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """A place, for as long as a message needs to arrive.

        Raises:
            RequestTimeoutError: there was none in time, or the message did not arrive.
        """
        whose, now = self._of_caller(), asyncio.get_running_loop().time
        since = now()
        try:
            async with asyncio.timeout(self._longest_s) as limit, whose, self._free:
                since = now()
                limit.reschedule(since + self._longest_s)
                self._taken[limit] = (since, whose)
                self._hurry(whose)
                try:
                    yield
                finally:
                    del self._taken[limit]
        except TimeoutError:
            allowed_s = (limit.when() or since) - since
            raise RequestTimeoutError(f"the message did not arrive within {allowed_s:.3g} s") from None

    def _hurry(self, whose: asyncio.Semaphore) -> None:
        """Where whoever comes next would have to wait, or whoever comes next of this caller."""
        if not (all_ := self._free.locked()) and not whose.locked():
            return
        for limit, (since, one) in self._taken.items():
            if (all_ or one is whose) and not limit.expired():
                limit.reschedule(since + self._contested_s)

    def _of_caller(self) -> asyncio.Semaphore:
        whose = caller.get()
        name = "" if whose is None else whose.name
        return self._callers.setdefault(name, asyncio.Semaphore(self._of_one))
