"""Real tasks in real threads and processes; each is done once and takes what it says."""

import gc
import os
import signal
import sys
import threading
from concurrent.futures import wait
from math import inf
from time import monotonic, perf_counter, sleep

import pytest

from models.cost import Cost
from models.errors import (
    DeadlineExceededError,
    ImageTooLargeError,
    NotReadyError,
    QueueFullError,
    UndecodableImageError,
    UnsupportedImageError,
)
from serving.engine.child import NICE
from serving.engine.lane import Finished, Lane
from serving.engine.task import Made, Task
from serving.engine.workshop import Workshop

MIB = 1024 * 1024
CHEAP, DEAR = Cost(1, MIB, 0.01, 0.0), Cost(1, 32 * MIB, 1.0, 1.0)


@pytest.fixture
def workshop():
    made = Workshop(threads=2, max_queue=50, max_bytes=512 * MIB)
    yield made
    made.close()


def where(data: bytes) -> Made:
    return Made((data[::-1], memoryview(data)), (os.getpid(), os.nice(0)))


def refuse(_: bytes) -> Made:
    raise UnsupportedImageError("not this one")


def blunder(_: bytes) -> Made:
    raise ZeroDivisionError("ours")


def spin(_: bytes, seconds: float = 3600) -> Made:
    until = monotonic() + seconds
    while monotonic() < until:
        pass
    return Made(())


def crash(_: bytes) -> Made:
    os.kill(os.getpid(), signal.SIGSEGV)
    return Made(())


def hoard(_: bytes, size: int) -> Made:
    try:
        return Made((), (len(bytearray(size)),))
    except MemoryError:
        raise UndecodableImageError("no memory") from None


def task(call, cost=CHEAP, *arguments, data=b"photo", cpu_s=10.0):
    return Task(call, data, arguments, cost, cpu_s)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_cheap_tasks_run_here_and_dear_ones_in_a_process_that_stays_and_is_nice(workshop):
    here = workshop.submit(task(where)).result(10).made
    first, *others = (workshop.submit(task(where, DEAR)).result(30).made for _ in range(5))
    processes = {one.facts[0] for one in (first, *others)}
    assert os.getpid() == here.facts[0] not in processes
    assert len(processes) <= 2  # one of each thread, whichever is free
    assert {one.facts[1] for one in (first, *others)} == {os.nice(0) + NICE}
    assert [bytes(part) for part in here.parts] == [bytes(part) for part in first.parts] == [b"otohp", b"photo"]


def test_no_thread_is_woken_up_for_nothing(workshop, monkeypatch):
    looked, may_go_on = [], Lane._may_go_on
    monkeypatch.setattr(Lane, "_may_go_on", lambda lane: (looked.append(lane), may_go_on(lane))[1])
    for _ in range(20):
        workshop.submit(task(where)).result(10)
    assert {id(lane) for lane in looked} == {id(workshop._quick)}
    assert len(looked) <= 2 * 20  # the one that does a task, as it wakes up for it and as it goes to sleep behind it


def test_a_process_answers_megabytes(workshop):
    data = os.urandom(20 * MIB)
    assert bytes(workshop.submit(task(where, DEAR, data=data)).result(30).made.parts[1]) == data


@pytest.mark.parametrize("cost", [CHEAP, DEAR], ids=["cheap", "dear"])
def test_errors_come_back_as_what_they_are(workshop, cost):
    with pytest.raises(UnsupportedImageError, match="not this one"):
        workshop.submit(task(refuse, cost)).result(30)
    with pytest.raises((ZeroDivisionError, RuntimeError), match="ours"):
        workshop.submit(task(blunder, cost)).result(30)
    assert workshop.submit(task(where, cost)).result(30)


def test_whoever_leaves_ends_the_process(workshop):
    before = workshop.submit(task(where, DEAR)).result(30).made.facts[0]
    running = workshop.submit(task(spin, DEAR))
    until = monotonic() + 10
    while not running.running() and monotonic() < until:
        sleep(0.01)
    sleep(0.1)
    running.cancel()
    with pytest.raises(NotReadyError):
        running.result(5)
    until = monotonic() + 5
    while alive(before) and workshop.taken_bytes and monotonic() < until:
        sleep(0.01)
    assert workshop.taken_bytes == 0
    assert workshop.submit(task(where, DEAR)).result(30)  # and another one is begun


def test_whoever_leaves_while_the_process_begins_leaves_it_to_the_next(workshop):
    """Begun, not begun yet, or just beginning: none of the moments stops those that come later."""
    for pause in (0.0, 0.001, 0.01, 0.05, 0.2, 0.5):
        leaving = workshop.submit(task(spin, DEAR))
        sleep(pause)
        leaving.cancel()
    assert workshop.submit(task(where, DEAR)).result(60)


def test_what_takes_too_long_is_ended_by_the_kernel(workshop):
    started = perf_counter()
    with pytest.raises(ImageTooLargeError, match=r"longer than the 0.5 s of a core that are allowed"):
        workshop.submit(task(spin, DEAR, cpu_s=0.5)).result(60)
    assert perf_counter() - started < 30


def test_what_takes_too_much_memory_is_refused_it(workshop):
    assert workshop.submit(task(hoard, DEAR, 100 * MIB)).result(30).made.facts == [100 * MIB]
    with pytest.raises(UndecodableImageError, match="no memory"):
        workshop.submit(task(hoard, DEAR, 1024 * MIB)).result(30)
    assert workshop.submit(task(hoard, DEAR, 100 * MIB)).result(30).made.facts == [100 * MIB]


def test_a_decoder_that_crashes_takes_nobody_along(workshop):
    with pytest.raises(UndecodableImageError, match="its decoder ended"):
        workshop.submit(task(crash, DEAR)).result(30)
    assert workshop.submit(task(where, DEAR)).result(30)


def test_no_more_memory_is_taken_than_there_is():
    """Each takes 150 MiB and the process's own 64; of 512 MiB, 128 are for cheap tasks alone."""
    workshop = Workshop(threads=4, max_queue=50, max_bytes=512 * MIB)
    most = []
    jobs = [workshop.submit(task(spin, Cost(1, 150 * MIB, 1.0, 1.0), 0.2)) for _ in range(4)]
    while not all(job.done() for job in jobs):
        most.append(workshop.taken_bytes)
        assert workshop.submit(task(where)).result(1)  # at once
        sleep(0.01)
    assert max(most) == 214 * MIB + MIB or max(most) == 214 * MIB
    workshop.close()
    assert workshop.taken_bytes == 0


def test_what_never_fits_is_refused(workshop):
    with pytest.raises(ImageTooLargeError, match=f"takes up to {400 * MIB} bytes of memory; at most {320 * MIB} are"):
        workshop.submit(task(where, Cost(1, 400 * MIB, 1.0, 1.0)))


def test_what_waits_is_bounded_and_late_ones_are_not_begun():
    workshop = Workshop(threads=1, max_queue=2, max_bytes=512 * MIB)
    busy = workshop.submit(task(spin, CHEAP, 0.3))
    while not busy.running():
        sleep(0.01)
    late = workshop.submit(task(where), deadline=perf_counter() + 0.05)
    left = workshop.submit(task(where))
    with pytest.raises(QueueFullError, match="2 images wait already"):
        workshop.submit(task(where))
    assert left.cancel()
    assert workshop.waiting == 1
    with pytest.raises(DeadlineExceededError):
        late.result(5)
    workshop.close()
    with pytest.raises(NotReadyError):
        workshop.submit(task(where))


@pytest.mark.parametrize("cost", [CHEAP, DEAR], ids=["cheap", "dear"])
def test_what_failed_holds_no_photo(workshop, cost):
    """Its error lives until the answer is written, and longer where it refers to itself; the photo must not."""
    data = os.urandom(100)
    gc.disable()
    try:
        before = sys.getrefcount(data)
        job = workshop.submit(task(refuse, cost, data=data))
        with pytest.raises(UnsupportedImageError) as caught:
            job.result(30)
        error = caught.value
        del job, caught
        until = monotonic() + 10
        while sys.getrefcount(data) > before and monotonic() < until:
            sleep(0.01)
        assert sys.getrefcount(data) == before
        assert error.__cause__ is error.__context__ is None
    finally:
        gc.enable()


def test_what_could_only_be_late_is_refused_at_once(workshop):
    jobs = [workshop.submit(task(spin, Cost(1, MIB, 30.0, 30.0), 0.5)) for _ in range(6)]
    with pytest.raises(QueueFullError, match=r"dear pictures wait already that take \d+ s"):
        workshop.submit(task(where, DEAR), deadline=perf_counter() + 10)
    with pytest.raises(DeadlineExceededError):  # to come again would help nobody
        workshop.submit(task(where, DEAR), deadline=perf_counter() + 0.001)
    assert workshop.submit(task(where, CHEAP), deadline=perf_counter() + 10).result(10)
    for job in jobs:
        job.cancel()
    wait(jobs, 10)
    assert workshop.submit(task(where, DEAR), deadline=perf_counter() + 60).result(60)


def test_the_cheapest_that_waits_comes_first():
    workshop = Workshop(threads=1, max_queue=20, max_bytes=512 * MIB)
    busy = workshop.submit(task(spin, CHEAP, 0.3))
    while not busy.running():
        sleep(0.01)
    done: list[str] = []
    jobs = []
    for name, seconds in (("large", 0.25), ("middle", 0.1), ("small", 0.01)):
        job = workshop.submit(task(where, Cost(1, MIB, seconds, 0.0)))
        job.add_done_callback(lambda _, name=name: done.append(name))
        jobs.append(job)
    wait(jobs, 10)
    assert done == ["small", "middle", "large"]
    workshop.close()


@pytest.mark.parametrize(
    ("held_s", "order"),
    [
        (
            3600.0,
            "b0 b1 b2 t0 t1 t2 b3 b4 t3 t4 b5 b6 t5 t6 b7 b8 t7 t8 b9 b10 t9 t10 b11 t11 b12 t12 b13 t13 b14 t14 "
            "b15 t15 b16 t16 b17 t17 b18 t18 b19 t19",
        ),
        (0.0, "b0 t0 b1 t1 b2 t2 b3 t3"),
    ],
)
def test_behind_few_it_is_told_at_once_and_before_many_a_few_together(monkeypatch, held_s, order):
    monkeypatch.setattr("serving.engine.lane._HELD_S", held_s)
    workshop = Workshop(threads=1, max_queue=20, max_bytes=512 * MIB)
    released, seen = threading.Event(), []

    def begin(name: bytes) -> Made:
        released.wait(10)
        seen.append(f"b{name.decode()}")
        return Made(())

    count = order.count("b")
    jobs = [workshop.submit(task(begin, data=str(number).encode())) for number in range(count)]
    for number, job in enumerate(jobs):
        job.add_done_callback(lambda _, number=number: seen.append(f"t{number}"))
    released.set()
    wait(jobs, 10)
    workshop.close()
    assert " ".join(seen) == order


def test_nothing_is_told_late_for_the_sake_of_a_large_one():
    finished = Finished()
    finished.add(lambda: None, perf_counter())
    assert finished.may_wait(0.001, 8)
    assert not finished.may_wait(0.001, 7)
    assert not finished.may_wait(1.0, 8)
    finished.tell()
    finished.add(lambda: None, perf_counter() - 1.0)  # the next may take as long as this one did
    assert not finished.may_wait(0.001, 8)


def test_closing_leaves_no_thread_and_no_process():
    threads = threading.active_count()
    workshop = Workshop(threads=2, max_queue=20, max_bytes=512 * MIB)
    process = workshop.submit(task(where, DEAR)).result(30).made.facts[0]
    assert alive(process)
    workshop.close()
    assert threading.active_count() == threads
    assert not alive(process)


def test_a_process_without_work_ends_by_itself(monkeypatch):
    monkeypatch.setattr("serving.engine.lane._IDLE_S", 0.2)
    workshop = Workshop(threads=2, max_queue=20, max_bytes=512 * MIB)
    jobs = [workshop.submit(task(where, DEAR)) for _ in range(2)]
    processes = {job.result(30).made.facts[0] for job in jobs}
    until = monotonic() + 10
    while any(map(alive, processes)) and monotonic() < until:
        sleep(0.05)
    assert not any(map(alive, processes))
    assert workshop.submit(task(where, DEAR)).result(30).made.facts[0] not in processes
    workshop.close()


def test_where_no_process_can_be_begun_it_says_so(workshop, monkeypatch):
    monkeypatch.setattr("serving.engine.disposable.sys.executable", "/nowhere/python")
    with pytest.raises(NotReadyError, match="no process can be begun to decode the image: No such file"):
        workshop.submit(task(where, DEAR)).result(30)
    assert workshop.submit(task(where)).result(10)
    assert workshop.taken_bytes == 0


@pytest.mark.parametrize("cost", [CHEAP, DEAR])
def test_what_is_made_may_be_gone_on_with_in_the_same_thread(workshop, cost):
    names = []

    def then(done):
        names.append(threading.current_thread())
        return bytes(done.made.parts[0])

    assert workshop.submit(task(where, cost), inf, then).result(30) == b"otohp"
    assert names[0] is not threading.current_thread()
    with pytest.raises(ZeroDivisionError):
        workshop.submit(task(where, cost), inf, lambda _: 1 // 0).result(30)
    assert workshop.submit(task(where, cost)).result(30)


def test_nobody_goes_on_for_whoever_has_left(workshop):
    begun, gone_on = threading.Event(), []

    def slow(_: bytes) -> Made:
        begun.set()
        return spin(b"", 0.2)

    job = workshop.submit(task(slow), inf, gone_on.append)
    assert begun.wait(10)
    job.cancel()
    with pytest.raises(NotReadyError, match="nobody waits"):
        job.result(30)
    assert gone_on == []
