"""Waiting: how long one more image would wait, learnt from how fast images leave a busy house."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import exp
from time import perf_counter

# Of being busy, before what was seen counts; and images of each worker, as those of several may leave together.
_LEARN_S, _LEARN_IMAGES = 0.05, 4
# After which what was seen before counts for a third: small photos may follow large ones, or the other way round.
_FORGET_S, _FORGET_IMAGES = 1.0, 32


class Waiting:
    """Counts images that come and go; for one thread, the event loop's.

    Neither decoding nor inference alone tells how fast a busy house is, as both share the same cores. So what is
    learnt is the time from one image that leaves to the next, while at least as many are inside as can be worked on.
    """

    def __init__(self, workers: int) -> None:
        """Knows nothing yet, and so expects nobody to wait.

        Args:
            workers: images that can be worked on at once.
        """
        self._workers = workers
        self._image_s = 0.0
        self._inside = 0
        self._busy_s = 0.0
        self._left = 0
        self._since = perf_counter()

    def expected_s(self, ahead: int = 0) -> float:
        """Seconds until one more image would be begun with, if so many come before it that are not inside yet.

        None as long as there is at most one image that waits for each worker: else a few callers with large photos
        would be refused although nobody is in their way but themselves.
        """
        if (inside := self._inside + ahead) < 2 * self._workers:
            return 0.0
        return (inside - self._workers + 1) * self._image_s

    def enter(self, images: int) -> None:
        """They are inside, until they ``leave``."""
        self._pass()
        self._inside += images

    def leave(self, images: int) -> None:
        """They are answered, or nobody wants to know any more."""
        self._pass()
        if self._inside >= self._workers:
            self._left += images
        self._inside -= images
        self._learn()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """One that is inside stands in nobody's way meanwhile: in a process or thread of its own."""
        self._pass()
        self._inside -= 1
        try:
            yield
        finally:
            self._pass()
            self._inside += 1

    def _pass(self) -> None:
        now = perf_counter()
        if self._inside >= self._workers:
            self._busy_s += now - self._since
        self._since = now

    def _learn(self) -> None:
        if self._busy_s < _LEARN_S or self._left < _LEARN_IMAGES * self._workers:
            return
        seen_s = self._busy_s / self._left
        seen = max(self._busy_s / _FORGET_S, self._left / _FORGET_IMAGES)
        weight = 1 - exp(-seen) if self._image_s else 1
        self._image_s += weight * (seen_s - self._image_s)
        self._busy_s, self._left = 0.0, 0
