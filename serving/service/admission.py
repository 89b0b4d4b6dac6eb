"""Admission: who is let in, by what there is room for and by how long he would wait."""

from math import inf
from time import perf_counter

from models.errors import DeadlineExceededError, QueueFullError
from serving.engine.budget import Budget, Caller, caller
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

    def admitted(self, images: int, pixel_bytes: int, photos: int | None = None) -> "Admitted":
        """Keeps room inside of a ``with``.

        Args:
            images: as many as it counts as.
            pixel_bytes: of all of them.
            photos: those among them that stand in the way of others; None: all.
        """
        return Admitted(self, images, pixel_bytes, images if photos is None else photos)


class Admitted:
    """A request that is let in."""

    __slots__ = ("_admission", "_images", "_photos", "_pixel_bytes", "_whose")

    def __init__(self, admission: Admission, images: int, pixel_bytes: int, photos: int) -> None:
        self._admission, self._images, self._pixel_bytes, self._photos = admission, images, pixel_bytes, photos
        self._whose = caller.get() or Caller("")

    def __enter__(self) -> None:
        """Others may have come while the body did, so that is asked anew.

        Raises:
            QueueFullError: there is no room.
        """
        admission, whose = self._admission, self._whose
        admission.refuse_if_full()
        whose.admitted = True
        admission.images.take(whose, self._images)
        try:
            admission.bodies.take(whose, self._pixel_bytes)
        except BaseException:
            admission.images.give_back(whose, self._images)
            raise
        admission.waiting.enter(self._photos)

    def __exit__(self, *_: object) -> None:
        """Gives back."""
        admission, whose = self._admission, self._whose
        admission.waiting.leave(self._photos)
        admission.bodies.give_back(whose, self._pixel_bytes)
        admission.images.give_back(whose, self._images)


def late(timeout_s: float | None) -> DeadlineExceededError:
    """The error of a call whose time is up; it may have been before its images were there."""
    if timeout_s is None or timeout_s <= 0:
        return DeadlineExceededError("the caller's time was up before the images were there")
    return DeadlineExceededError(f"there was no answer within {timeout_s:.3g} s")


def deadline_of(timeout_s: float | None) -> float:
    """The ``perf_counter()`` at which a call's time is up."""
    return inf if timeout_s is None else perf_counter() + timeout_s
