"""Batcher: single items in, batched calls of one function, single results out; knows neither HTTP nor NumPy.

A free worker takes what has queued while all were busy, up to ``max_batch``, and never waits for more: on a CPU larger
batches cost more per image, and on a GPU a busy model fills its batches by itself. There is no timer.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from math import inf
from threading import get_ident
from time import perf_counter
from typing import Generic, NamedTuple, TypeVar

from models.errors import DeadlineExceededError, NotReadyError, QueueFullError

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batched(NamedTuple, Generic[Result]):
    """One item's result, the seconds it waited and the seconds its batch ran."""

    result: Result
    queue_s: float
    run_s: float


class _Job(Future[Batched[Result]], Generic[Item, Result]):
    """Is its own future: one that it held, with a callback that knew the job, would keep a photo until the next GC."""

    def __init__(self, item: Item, deadline: float, forget: "Callable[[_Job[Item, Result]], None]") -> None:
        super().__init__()
        self.item = item
        self.deadline = deadline
        self.submitted = perf_counter()
        self._forget = forget

    def cancel(self) -> bool:
        """Also takes it out of the queue, as whoever left must not hold memory until a worker gets there."""
        if cancelled := super().cancel():
            self._forget(self)
        return cancelled


class Batcher(Generic[Item, Result]):
    """Threads that answer a bounded queue in batches, first come, first served. Any thread may submit."""

    def __init__(
        self, run: Callable[[Sequence[Item]], Iterable[Result]], *, max_batch: int, max_queue: int, workers: int = 1
    ) -> None:
        """Starts the workers.

        Args:
            run: answers a batch, one result for each item, in order. Called by several workers at once.
            max_batch: the most items of one call.
            max_queue: the most items that wait for a worker.
            workers: threads that call ``run``.
        """
        self._run = run
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._queue: deque[_Job[Item, Result]] = deque()
        self._running: dict[int, float] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._workers = [threading.Thread(target=self._work, daemon=True) for _ in range(workers)]
        for worker in self._workers:
            worker.start()

    def submit(self, item: Item, deadline: float = inf) -> "Future[Batched[Result]]":
        """Queues one item.

        Args:
            item: what ``run`` shall answer.
            deadline: the ``perf_counter()`` from which on no worker takes the item any more.

        Returns:
            Its answer, or DeadlineExceededError. A caller who cancels it takes the item out of the queue.

        Raises:
            QueueFullError: ``max_queue`` items wait already.
            NotReadyError: the batcher is closed.
        """
        job = _Job[Item, Result](item, deadline, self._forget)
        with self._changed:
            if self._closed:
                raise _unloaded()
            if len(self._queue) >= self._max_queue:
                raise QueueFullError(f"{len(self._queue)} images wait already; at most {self._max_queue} may")
            self._queue.append(job)
            self._changed.notify()
        return job

    def answer_here(self, item: Item, deadline: float = inf) -> Batched[Result]:
        """Answers one item in the caller's thread, for where a batch saves less than waking up a worker costs.

        Raises:
            NotReadyError: the batcher is closed.
            DeadlineExceededError: ``perf_counter()`` has reached the deadline.
        """
        if self._closed:
            raise _unloaded()
        started = self._running[get_ident()] = perf_counter()
        try:
            if started >= deadline:
                raise _late()
            [result] = self._run([item])
        finally:
            self._running.pop(get_ident(), None)
        return Batched(result, 0.0, perf_counter() - started)

    @property
    def waiting(self) -> int:
        """Items that no worker has taken yet."""
        return len(self._queue)

    @property
    def running_s(self) -> float:
        """Seconds that the longest of the calls that run now has taken so far."""
        return perf_counter() - min(self._running.copy().values(), default=perf_counter())

    def close(self) -> None:
        """Takes no more items, answers those that wait, and ends the workers."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for worker in self._workers:
            worker.join()

    def _forget(self, job: _Job[Item, Result]) -> None:
        with self._changed, suppress(ValueError):
            self._queue.remove(job)

    def _work(self) -> None:
        while (batch := self._take()) is not None:
            if batch:
                self._answer(batch)
            del batch  # while it waits for the next one, it must not hold the photos of the last

    def _take(self) -> list[_Job[Item, Result]] | None:
        """Waits for jobs; returns those of one batch, perhaps none if nobody wants them now, or None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed)
            if not self._queue:
                return None
            batch: list[_Job[Item, Result]] = []
            while self._queue and len(batch) < self._max_batch:
                job = self._queue.popleft()
                if _is_wanted(job):
                    batch.append(job)
            return batch

    def _answer(self, batch: list[_Job[Item, Result]]) -> None:
        started = self._running[get_ident()] = perf_counter()
        try:
            results = self._run([job.item for job in batch])
            answers = list(zip(batch, results, strict=True))
        except Exception as error:
            self._fail(batch, error)
            return
        finally:
            self._running.pop(get_ident(), None)
        run_s = perf_counter() - started
        for job, result in answers:
            job.set_result(Batched(result, started - job.submitted, run_s))

    def _fail(self, batch: list[_Job[Item, Result]], error: Exception) -> None:
        """One bad item must not fail its neighbours: each is asked alone, and only those that fail alone fail."""
        if len(batch) == 1:
            batch[0].set_exception(error)
            return
        for job in batch:
            self._answer([job])


def _unloaded() -> NotReadyError:
    return NotReadyError("the model is being unloaded")


def _is_wanted(job: _Job[Item, Result]) -> bool:
    if not job.set_running_or_notify_cancel():
        return False
    if perf_counter() < job.deadline:
        return True
    job.set_exception(_late())
    return False


def _late() -> DeadlineExceededError:
    return DeadlineExceededError("its time was up before a worker was free")
