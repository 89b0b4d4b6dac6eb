"""Admission: who is let in, by what there is room for and by how long he would wait."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from time import perf_counter

from models.errors import DeadlineExceededError, QueueFullError
from serving.engine.budget import Budget, caller
from serving.engine.waiting import Waiting
from serving.settings import Settings
from serving.settings.cores import threads

_LEAST_PAUSE_S = (
    0.1  # of what is told over gRPC, where the queue's length says nothing of the time; HTTP has whole seconds
)


class Admission:
    """Refuses early: at ten times what a service can do, whoever waits would be answered too late to be of use.

    Attributes:
        bodies: bytes of request bodies and of decoded pixels.
        images: images that are being answered.
        waiting: how long one more would wait.
        passing: requests that were let in this very moment, and have not got as far as to be counted above.
    """

    def __init__(self, settings: Settings) -> None:
        self.bodies = Budget(settings.max_held_bytes, "bytes", settings.max_caller_percent)
        self.images = Budget(settings.max_queued_images, "images", settings.max_caller_percent)
        self.waiting = Waiting(threads(settings))
        self.passing = 0
        self._max_wait_s = settings.max_wait_s

    def refuse_if_full(self) -> None:
        """Once let in, a request is not asked again; the command line, which has nobody else to wait for, never is.

        Raises:
            QueueFullError: no image more can be taken now.
        """
        whose = caller.get()
        if whose is None:
            self.images.refuse_if_full()
        elif not whose.admitted:
            if (error := self.full()) is not None:
                raise error
            self.images.refuse_if_full()

    def full(self) -> QueueFullError | None:
        """Why nobody can be let in now, whoever he is; None: somebody can."""
        expected_s = self.waiting.expected_s(self.passing)
        beyond_s = expected_s - self._max_wait_s
        if (held := self.images.taken + self.passing) >= self.images.limit:
            sentence = f"it holds {held} of {self.images.limit} images"
        elif beyond_s > 0:
            sentence = f"an image would wait {expected_s:.2f} s, and {self._max_wait_s:g} s are allowed"
        else:
            return None
        return QueueFullError(f"the service is full: {sentence}; try again", max(beyond_s, _LEAST_PAUSE_S))

    @contextmanager
    def admitted(self, images: int, pixel_bytes: int) -> Iterator[None]:
        """Keeps room until the end; others may have come while the body did, so that is asked anew.

        Raises:
            QueueFullError: there is none.
        """
        self.refuse_if_full()
        if (whose := caller.get()) is not None:
            whose.admitted = True
        with self.images.lease() as take_images, self.bodies.lease() as take_bytes:
            take_images(images)
            take_bytes(pixel_bytes)
            with self.waiting.inside(images):
                yield


def late(timeout_s: float | None) -> DeadlineExceededError:
    """The error of a call whose time is up; it may have been before its images were there."""
    if timeout_s is None or timeout_s <= 0:
        return DeadlineExceededError("the caller's time was up before the images were there")
    return DeadlineExceededError(f"there was no answer within {timeout_s:.3g} s")


def deadline_of(timeout_s: float | None) -> float:
    """The ``perf_counter()`` at which a call's time is up."""
    return inf if timeout_s is None else perf_counter() + timeout_s
