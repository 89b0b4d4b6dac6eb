from hypothesis import given, settings
from hypothesis import strategies as st

from serving.engine.order import PATIENCE, Order

SECONDS = st.floats(0, 20)


def test_small_jobs_pass_large_ones_that_came_together():
    order = Order[str]()
    for name, seconds in (("large", 3.0), ("small", 0.02), ("middle", 0.5)):
        order.push(name, seconds, now=100.0)
    assert [order.pop() for _ in range(3)] == ["small", "middle", "large"]


def test_equals_keep_the_order_in_which_they_came():
    order = Order[int]()
    for number in range(20):
        order.push(number, 0.1, now=5.0)
    assert [order.pop() for _ in range(20)] == list(range(20))


def test_what_is_removed_does_not_come():
    order, jobs = Order[object](), [object() for _ in range(5)]
    for number, job in enumerate(jobs):
        order.push(job, number, now=0.0)
    assert order.remove(jobs[2])
    assert not order.remove(jobs[2])
    assert [order.pop() for _ in range(len(order))] == [jobs[0], jobs[1], jobs[3], jobs[4]]


@given(st.lists(st.tuples(st.floats(0, 5), SECONDS), min_size=1, max_size=60))
def test_nothing_starves(arrivals):
    """Whatever comes and whenever: nothing that came more than PATIENCE times a job's own time after it goes first."""
    order, now = Order[tuple[float, float]](), 0.0
    for pause, seconds in arrivals:
        now += pause
        order.push((now, seconds), seconds, now)
    done = [order.pop() for _ in range(len(order))]
    for position, (came, seconds) in enumerate(done):
        assert all(passed_at <= came + PATIENCE * seconds + 1e-6 for passed_at, _ in done[:position])


@given(SECONDS, st.integers(1, 20), st.floats(0.01, 1))
@settings(deadline=None)
def test_a_large_job_has_its_turn_in_an_endless_stream_of_small_ones(large, per_second, small):
    order, taken = Order[float](), []
    order.push(large, large, 0.0)
    for tick in range(int((PATIENCE * large + 2) * per_second) + 2):  # one comes, one goes, for ever
        order.push(small, small, tick / per_second)
        taken.append(order.pop())
        if large in taken:
            break
    assert large in taken
