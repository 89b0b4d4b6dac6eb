import gc
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import CancelledError, wait
from contextlib import contextmanager
from time import perf_counter, sleep

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import DeadlineExceededError, NotReadyError, QueueFullError
from serving.engine.batcher import Batcher


class Gate:
    """A function for batches that waits until it may go on, and remembers what it was given."""

    def __init__(self, poison: frozenset[int] = frozenset()) -> None:
        self.batches: list[list[int]] = []
        self.entered = threading.Semaphore(0)
        self.open = threading.Event()
        self.poison = poison

    def __call__(self, items):
        self.batches.append(list(items))
        self.entered.release()
        assert self.open.wait(30)
        if bad := self.poison.intersection(items):
            raise ValueError(f"poisoned by {sorted(bad)}")
        return [item * 10 for item in items]


@contextmanager
def busy(gate: Gate, max_batch: int, max_queue: int = 1000) -> Iterator[Batcher]:
    """A batcher of one worker that is busy with the item -1, so that what is submitted now queues."""
    batcher = Batcher(gate, max_batch=max_batch, max_queue=max_queue)
    first = batcher.submit(-1)
    assert gate.entered.acquire(timeout=30)
    try:
        yield batcher
    finally:
        gate.open.set()
        batcher.close()
        assert first.result(30).result == -10


@given(count=st.integers(0, 40), max_batch=st.integers(1, 9))
@settings(deadline=None, max_examples=40)
def test_batches_are_full_ordered_and_answer_each_item(count, max_batch):
    gate = Gate()
    with busy(gate, max_batch) as batcher:
        futures = [batcher.submit(item) for item in range(count)]
    assert [future.result().result for future in futures] == [item * 10 for item in range(count)]
    expected = [list(range(start, min(start + max_batch, count))) for start in range(0, count, max_batch)]
    assert gate.batches == [[-1], *expected]


@given(cancelled=st.lists(st.booleans(), max_size=30), max_batch=st.integers(1, 7))
@settings(deadline=None, max_examples=40)
def test_cancelled_items_are_never_run_and_disturb_nobody(cancelled, max_batch):
    gate = Gate()
    with busy(gate, max_batch) as batcher:
        futures = [batcher.submit(item) for item in range(len(cancelled))]
        for future, cancel in zip(futures, cancelled, strict=True):
            assert not cancel or future.cancel()
    kept = [item for item, cancel in enumerate(cancelled) if not cancel]
    assert [item for batch in gate.batches[1:] for item in batch] == kept
    assert all(len(batch) == max_batch for batch in gate.batches[1:-1])
    for item, future in enumerate(futures):
        if cancelled[item]:
            with pytest.raises(CancelledError):
                future.result()
        else:
            assert future.result().result == item * 10


@given(late=st.lists(st.booleans(), max_size=30), max_batch=st.integers(1, 7))
@settings(deadline=None, max_examples=40)
def test_what_is_late_takes_no_place_in_a_batch(late, max_batch):
    gate = Gate()
    with busy(gate, max_batch) as batcher:
        deadlines = [perf_counter() if is_late else perf_counter() + 600 for is_late in late]
        futures = [batcher.submit(item, deadline) for item, deadline in enumerate(deadlines)]
    kept = [item for item, is_late in enumerate(late) if not is_late]
    assert [item for batch in gate.batches[1:] for item in batch] == kept
    assert all(len(batch) == max_batch for batch in gate.batches[1:-1])
    for item, future in enumerate(futures):
        if late[item]:
            assert isinstance(future.exception(), DeadlineExceededError)
        else:
            assert future.result().result == item * 10


@given(sizes=st.lists(st.integers(1, 12), max_size=12), max_batch=st.integers(1, 8), workers=st.integers(1, 3))
@settings(deadline=None, max_examples=40)
def test_requests_of_mixed_sizes_get_their_own_answers_in_order(sizes, max_batch, workers):
    """A request is so many items; whoever sends 12 through batches of 8 gets 12 answers, in order."""
    seen = []
    batcher = Batcher(lambda items: (seen.append(len(items)), [(item, "answered") for item in items])[1],
                      max_batch=max_batch, max_queue=200, workers=workers)  # fmt: skip
    requests = [[batcher.submit((number, place)) for place in range(size)] for number, size in enumerate(sizes)]
    for number, futures in enumerate(requests):
        got = [future.result(30).result for future in futures]
        assert got == [((number, place), "answered") for place in range(sizes[number])]
    batcher.close()
    assert sum(seen) == sum(sizes)
    assert all(count <= max_batch for count in seen)


@given(count=st.integers(1, 20), one=st.integers(0, 19), max_batch=st.integers(1, 8))
@settings(deadline=None, max_examples=40)
def test_one_caller_who_leaves_frees_a_place_and_nothing_else(count, one, max_batch):
    gate = Gate()
    with busy(gate, max_batch, max_queue=count) as batcher:
        futures = [batcher.submit(item) for item in range(count)]
        with pytest.raises(QueueFullError):
            batcher.submit(count)
        gone = one % count
        assert futures[gone].cancel()
        assert batcher.waiting == count - 1
        futures[gone] = batcher.submit(count)
    assert [future.result().result for future in futures] == [
        10 * (count if item == gone else item) for item in range(count)
    ]


@given(count=st.integers(1, 20), max_batch=st.integers(1, 8), workers=st.integers(1, 3))
@settings(deadline=None, max_examples=40)
def test_closing_with_a_full_queue_answers_all_of_it(count, max_batch, workers):
    open_ = threading.Event()

    def run(items):
        assert open_.wait(30)
        return items

    batcher = Batcher(run, max_batch=max_batch, max_queue=count + workers * max_batch, workers=workers)
    futures = [batcher.submit(item) for item in range(count)]
    closing = threading.Thread(target=batcher.close)
    closing.start()
    open_.set()
    closing.join(30)
    assert [future.result(0).result for future in futures] == list(range(count))
    with pytest.raises(NotReadyError):
        batcher.submit(0)


def test_after_a_batch_that_fails_the_next_one_is_answered():
    batcher = Batcher(lambda items: [1 // item for item in items], max_batch=4, max_queue=100)
    for _ in range(5):
        assert isinstance(batcher.submit(0).exception(30), ZeroDivisionError)
        assert batcher.submit(1).result(30).result == 1
    batcher.close()


@given(poison=st.frozensets(st.integers(0, 19)), max_batch=st.integers(1, 8))
@settings(deadline=None, max_examples=40)
def test_a_poisoned_item_fails_alone(poison, max_batch):
    with busy(Gate(poison), max_batch) as batcher:
        futures = [batcher.submit(item) for item in range(20)]
    for item, future in enumerate(futures):
        if item in poison:
            assert isinstance(future.exception(), ValueError)
        else:
            assert future.result().result == item * 10


def test_the_queue_is_bounded_and_has_room_again_once_callers_give_up():
    with busy(Gate(), max_batch=1, max_queue=3) as batcher:
        futures = [batcher.submit(item) for item in range(3)]
        with pytest.raises(QueueFullError, match="at most 3 may"):
            batcher.submit(3)
        futures[1].cancel()
        last = batcher.submit(4)
    assert [futures[0].result().result, futures[2].result().result, last.result().result] == [0, 20, 40]


def submit_for_ever(batcher):
    while True:
        batcher.submit(9)
        sleep(0.001)


def test_closing_answers_what_waits_and_takes_no_more():
    gate = Gate()
    with busy(gate, max_batch=2) as batcher:
        futures = [batcher.submit(item) for item in range(5)]
        closing = threading.Thread(target=batcher.close)
        closing.start()
        with pytest.raises(NotReadyError):
            submit_for_ever(batcher)
        gate.open.set()
        closing.join(30)
        assert all(future.done() for future in futures)


def test_a_run_that_answers_too_few_is_an_error_and_not_a_mixup():
    batcher = Batcher(lambda items: items[1:], max_batch=4, max_queue=4)
    assert isinstance(batcher.submit(1).exception(30), ValueError)
    batcher.close()


def test_workers_run_at_the_same_time():
    barrier = threading.Barrier(3)

    def run(items):
        barrier.wait(30)
        return items

    batcher = Batcher(run, max_batch=1, max_queue=3, workers=3)
    futures = [batcher.submit(item) for item in range(3)]
    assert wait(futures, 30).not_done == set()
    batcher.close()


def test_many_threads_get_their_own_answers():
    batcher = Batcher(lambda items: [item * 10 for item in items], max_batch=5, max_queue=10_000, workers=2)
    wrong = []

    def submit(first):
        futures = {item: batcher.submit(item) for item in range(first, first + 200)}
        wrong.extend(item for item, future in futures.items() if future.result(30).result != item * 10)

    threads = [threading.Thread(target=submit, args=(1000 * number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    batcher.close()
    assert wrong == []


class Photo:
    """Unlike a number, it can be watched."""


@pytest.fixture
def no_garbage_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_what_was_answered_is_freed_at_once(no_garbage_collector):
    """A cycle would keep every photo in memory until the garbage collector comes round."""
    batcher = Batcher(lambda items: [None for _ in items], max_batch=4, max_queue=100)
    photos = [Photo() for _ in range(20)]
    watched = [weakref.ref(photo) for photo in photos]
    futures = [batcher.submit(photo) for photo in photos]
    for future in futures:
        future.result(30)
    del photos, futures, future
    batcher.submit(Photo()).result(30)  # whose batch takes the place of the last one
    batcher.close()
    assert [photo() for photo in watched] == [None] * 20


def test_whoever_leaves_the_queue_frees_its_item_at_once(no_garbage_collector):
    with busy(Gate(), max_batch=1) as batcher:
        photo = Photo()
        watched = weakref.ref(photo)
        future = batcher.submit(photo)
        future.cancel()
        del photo, future
        assert watched() is None


def test_a_closed_batcher_frees_what_it_ran(no_garbage_collector):
    model = Photo()
    watched = weakref.ref(model)
    batcher = Batcher(lambda items, model=model: items, max_batch=1, max_queue=10)
    assert batcher.submit(1).result(30).result == 1
    batcher.close()
    del batcher, model
    assert watched() is None


def test_times_are_told():
    gate = Gate()
    with busy(gate, max_batch=1) as batcher:
        future = batcher.submit(1)
    answer = future.result()
    assert answer.queue_s > 0
    assert answer.run_s > 0


def test_one_item_may_be_answered_in_the_thread_that_brings_it():
    threads = []

    def run(items):
        threads.append(threading.get_ident())
        return [10 // item for item in items]

    batcher = Batcher(run, max_batch=4, max_queue=1)
    answer = batcher.answer_here(2)
    assert answer.result == 5
    assert answer.run_s > 0
    assert threads == [threading.get_ident()]
    with pytest.raises(ZeroDivisionError):
        batcher.answer_here(0)
    with pytest.raises(DeadlineExceededError):
        batcher.answer_here(1, deadline=perf_counter())
    assert batcher.running_s < 1
    batcher.close()
    with pytest.raises(NotReadyError):
        batcher.answer_here(1)
    assert len(threads) == 2
