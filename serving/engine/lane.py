"""Lane: a queue of jobs, and the threads that empty it; all lanes share one store of memory."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from time import perf_counter
from typing import Any, Generic, NamedTuple, TypeVar

from models.errors import DeadlineExceededError, LoupeError, NotReadyError, QueueFullError
from serving.engine.allocator import give_back
from serving.engine.disposable import UNWANTED, Disposable
from serving.engine.order import Order
from serving.engine.task import Made, Task

Result = TypeVar("Result")

PROCESS_BYTES = 64 * 1024 * 1024
"""What a disposable process takes itself."""

_HOPELESS = 2  # times a caller's time, as estimates are no promises
_IDLE_S = 5.0  # after which a process is ended
_TOGETHER, _HELD_S = 4, 0.03  # the most that is told of together, and how long the first may wait for that
_FOR_ONE_MORE = 8  # that wait behind: so what is told late is late by an eighth of what the others wait


class Done(NamedTuple):
    """What a task made, and the seconds that it waited."""

    made: Made
    queue_s: float


class Job(Future[Result], Generic[Result]):
    """A task in a lane, and its own future, as in batcher.py. Cancelled while it has a process, it ends that."""

    def __init__(self, task: Task, then: Callable[[Done], Result], deadline: float, lane: "Lane", size: int) -> None:
        super().__init__()
        self.task = task
        self.then = then
        self.deadline = deadline
        self.size = size
        self.submitted = perf_counter()
        self.process: Disposable | None = None
        self.given_up = False
        self._lane = lane

    def cancel(self) -> bool:
        """Also takes it out of the queue, or ends its process."""
        cancelled = super().cancel()
        self._lane.forget(self)
        return cancelled


class Store:
    """The memory that all lanes share."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.taken = 0
        self.lock = threading.RLock()
        self.lanes: list[Lane] = []


class Lane:
    """A queue, and the threads that empty it."""

    def __init__(self, store: Store, threads: int, *, share: int, dear: bool) -> None:
        self.order = Order[Job[Any]]()
        self._store = store
        self._share = share
        self._taken = 0
        self._waiting_s = 0.0
        self._dear = dear
        self._closed = False
        self._changed = threading.Condition(store.lock)
        store.lanes.append(self)
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def submit(self, task: Task, then: Callable[[Done], Result], deadline: float) -> Job[Result]:
        """See ``Workshop.submit``."""
        job = Job(task, then, deadline, self, task.cost.bytes + (PROCESS_BYTES if self._dear else 0))
        with self._store.lock:
            if self._closed:
                raise NotReadyError("the service is shutting down")
            if self._dear:
                self._refuse_hopeless(task, deadline)
            self._waiting_s += task.cost.seconds
            self.order.push(job, task.cost.seconds, job.submitted)
            self._changed.notify()
        return job

    def _refuse_hopeless(self, task: Task, deadline: float) -> None:
        """Whoever would wait for more dear ones than can be done in his time is told so at once.

        Where his time is too short for his own picture too, it is no use to come again: then his deadline is at fault.
        """
        expected_s, left_s = self._waiting_s / len(self._threads), max(0.0, deadline - perf_counter())
        if expected_s <= _HOPELESS * left_s:
            return
        if task.cost.seconds > left_s:
            raise DeadlineExceededError("its time would be up before it could be decoded")
        raise QueueFullError(f"dear pictures wait already that take {expected_s:.0f} s; try again", expected_s)

    def forget(self, job: Job[Any]) -> None:
        """Takes it out of the queue, or ends its process."""
        with self._changed:
            job.given_up = True
            if self.order.remove(job):
                self._waiting_s -= job.task.cost.seconds
            if job.process is not None:
                job.process.end()

    def close(self) -> None:
        """Takes no more, does what waits, and ends the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        process, finished = Disposable() if self._dear else None, Finished()
        job = self._take(process, rests=False)
        while job is not None:
            started = perf_counter()
            finished.add(_do(job, process), started)
            job = self._exchange(job)  # while it waits for the next one, it must not hold the last one's photo
            if job is None or not finished.may_wait(job.task.cost.seconds, len(self.order) // len(self._threads)):
                finished.tell()
            if job is None:
                job = self._take(process, rests=True)
        if process is not None:
            process.close()

    def _take(self, process: Disposable | None, *, rests: bool) -> Job[Any] | None:
        """Waits for a job that there is room for; if it is long in coming, what the last one left is given back."""
        with self._changed:
            while not self._changed.wait_for(self._may_go_on, _IDLE_S if rests else None):
                rests = False
                self._rest(process)
            return self._begin() if self.order else None

    def _exchange(self, done: Job[Any]) -> Job[Any] | None:
        """Gives back what one job took, and takes the next if there is no need to wait for it."""
        with self._store.lock:
            done.process = None
            self._store.taken -= done.size
            self._taken -= done.size
            job = self._begin() if self.order and self._may_go_on() else None
            for lane in self._store.lanes:
                lane._wake()
            return job

    def _begin(self) -> Job[Any]:
        job = self.order.pop()
        self._waiting_s -= job.task.cost.seconds
        self._store.taken += job.size
        self._taken += job.size
        self._wake()  # there may be room for the next one too
        return job

    def _wake(self) -> None:
        """Only where something waits: a thread that wakes up for nothing costs as much as one that works."""
        if self.order:
            self._changed.notify()

    def _rest(self, process: Disposable | None) -> None:
        self._changed.release()
        try:
            if process is not None:
                process.close()
            give_back()
        finally:
            self._changed.acquire()

    def _may_go_on(self) -> bool:
        if not self.order:
            return self._closed
        size = self.order.first.size
        return self._taken + size <= self._share and self._store.taken + size <= self._store.limit


class Finished:
    """What one thread has done and not told yet.

    Where many wait, a few are told of together: the event loop, whose code has left the core's caches since it last
    ran, wakes up once for all of them. Where few do, that would cost more time than it saves.
    """

    def __init__(self) -> None:
        self._tellings: list[Callable[[], None]] = []
        self._first = self._took_s = 0.0

    def add(self, telling: Callable[[], None], started: float) -> None:
        """Takes what tells of a job that has just ended, and began at ``started`` by ``perf_counter()``."""
        now = perf_counter()
        self._took_s = now - started
        if not self._tellings:
            self._first = now
        self._tellings.append(telling)

    def may_wait(self, seconds: float, waiting: int) -> bool:
        """Whether these may wait for a job of so many ``seconds``, behind which so many wait for each thread."""
        if len(self._tellings) >= min(_TOGETHER, 1 + waiting // _FOR_ONE_MORE):
            return False
        return perf_counter() - self._first + max(self._took_s, seconds) < _HELD_S

    def tell(self) -> None:
        """Tells of all, in order."""
        for telling in self._tellings:
            telling()
        self._tellings.clear()


def _do(job: Job[Any], process: Disposable | None) -> Callable[[], None]:
    """Does it; returns what tells of it."""
    if not job.set_running_or_notify_cancel():
        return _nothing
    started = perf_counter()
    if started >= job.deadline:
        return partial(job.set_exception, DeadlineExceededError("its time was up before it could be decoded"))
    try:
        made = job.task.run() if process is None else _in_process(job, process)
        if job.given_up:
            raise NotReadyError(UNWANTED)
        return partial(job.set_result, job.then(Done(made, started - job.submitted)))
    except LoupeError as error:
        return partial(job.set_exception, _bare(error))
    except BaseException as error:
        return partial(job.set_exception, error)


def _nothing() -> None:
    pass


def _bare(error: LoupeError) -> LoupeError:
    """Without where it came from: frames that hold the photo and its pixels, in a circle with its job."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def _in_process(job: Job[Any], process: Disposable) -> Made:
    job.process = process
    return process.run(job.task, lambda: not job.given_up)
