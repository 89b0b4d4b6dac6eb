"""Workshop: where photos are decoded and turned: cheap ones in threads, dear ones in processes, all within one budget.

Each lane takes the cheapest that waits (order.py). A job's memory is taken before it runs and given back behind it; the
next one waits until there is room. Dear jobs leave a part of the budget alone, so that cheap ones never wait for them.
"""

from collections.abc import Callable
from concurrent.futures import Future
from math import inf
from typing import overload

from models.cost import Cost
from models.errors import ImageTooLargeError, QueueFullError
from serving.engine.lane import PROCESS_BYTES, Done, Lane, Result, Store
from serving.engine.task import Task

_MIB = 1024 * 1024
_QUICK_S, _QUICK_HELD_S, _QUICK_BYTES = 0.3, 0.05, 96 * _MIB
_RESERVE, _MOST_RESERVED = 4, 256 * _MIB  # that part of the budget is for cheap jobs alone, and no more than that


class Workshop:
    """Threads and processes that do tasks. Any thread may submit.

    Attributes:
        largest_bytes: what one task may take at most.
    """

    def __init__(self, *, threads: int, max_queue: int, max_bytes: int) -> None:
        """Starts the threads; processes are begun when they are needed.

        Args:
            threads: that do cheap tasks, and as many processes for dear ones.
            max_queue: the most tasks that wait.
            max_bytes: memory that all tasks together may take.
        """
        self._store = Store(max_bytes)
        self._quick_bytes = min(_QUICK_BYTES, _reserved(max_bytes))
        self.largest_bytes = max_bytes - _reserved(max_bytes) - PROCESS_BYTES
        self._max_queue = max_queue
        self._quick = Lane(self._store, threads, share=max_bytes, dear=False)
        self._dear = Lane(self._store, threads, share=max_bytes - _reserved(max_bytes), dear=True)

    @overload
    def submit(self, task: Task, deadline: float = inf) -> "Future[Done]": ...

    @overload
    def submit(self, task: Task, deadline: float, then: Callable[[Done], Result]) -> "Future[Result]": ...

    def submit(
        self, task: Task, deadline: float = inf, then: Callable[[Done], Result] | None = None
    ) -> "Future[Result] | Future[Done]":
        """Queues one task.

        Args:
            task: what to do.
            deadline: the ``perf_counter()`` from which on it is not begun any more.
            then: makes the result of what was made; in the same thread, so that no other has to be woken up for it.

        Returns:
            What it makes, or what it raises, or DeadlineExceededError. A caller who cancels it ends it: at once if it
            waits or has a process, and behind its cheap call if it has not.

        Raises:
            ImageTooLargeError: it needs more memory than it could ever get.
            QueueFullError: too many wait already.
            DeadlineExceededError: there is no time for it, even if nobody else waited.
            NotReadyError: the workshop is closed.
        """
        if task.cost.bytes > self.largest_bytes:
            raise ImageTooLargeError(
                f"the image takes up to {task.cost.bytes} bytes of memory; at most {self.largest_bytes} are allowed"
            )
        if self.waiting >= self._max_queue:
            raise QueueFullError(f"{self.waiting} images wait already; at most {self._max_queue} may")
        lane = self._dear if self.is_dear(task.cost) else self._quick
        return lane.submit(task, _as_it_is, deadline) if then is None else lane.submit(task, then, deadline)

    def is_dear(self, cost: Cost) -> bool:
        """Whether a task of this cost gets a process, and so keeps no cheap one waiting."""
        return cost.seconds > _QUICK_S or cost.held_s > _QUICK_HELD_S or cost.bytes > self._quick_bytes

    @property
    def waiting(self) -> int:
        """Tasks that nobody has begun."""
        return len(self._quick.order) + len(self._dear.order)

    @property
    def taken_bytes(self) -> int:
        """Memory that running tasks have taken from the budget."""
        return self._store.taken

    def close(self) -> None:
        """Takes no more tasks, does those that wait, and ends threads and processes."""
        for lane in (self._quick, self._dear):
            lane.close()


def _as_it_is(done: Done) -> Done:
    return done


def _reserved(max_bytes: int) -> int:
    return min(max_bytes // _RESERVE, _MOST_RESERVED)
