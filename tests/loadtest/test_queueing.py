"""Against values that anybody can look up, and against a simulation of the same queue."""

from bisect import insort
from math import exp, inf
from random import Random
from statistics import quantiles

import pytest

from loadtest.capacity.queueing import Queue, Service, erlang_c, most_load

TEN_MS = Service((0.01,), (1.0,))
MIXED = Service((0.005, 0.03), (0.8, 0.2))


class Exponential(Service):
    """Of M/M/c, whose squared coefficient of variation is 1."""

    variation = 1.0


@pytest.mark.parametrize(
    ("servers", "offered", "waits"),
    [
        (1, 0.5, 0.5),  # M/M/1: the load itself
        (1, 0.9, 0.9),
        (2, 1.0, 1 / 3),  # M/M/2: 2 r^2 / (1 + r)
        (2, 1.6, 2 * 0.64 / 1.8),
        (5, 4.0, 0.5541),  # Erlang's table
        (10, 8.0, 0.4092),
        (100, 90.0, 0.2170),
    ],
)
def test_erlang_c_has_its_known_values(servers, offered, waits):
    assert erlang_c(servers, offered) == pytest.approx(waits, abs=1e-4)


def test_a_thousand_servers_overflow_nothing():
    assert 0 < erlang_c(10_000, 9_900.0) < 1


def test_m_m_1_is_exact():
    """Mean wait r / (m - l), and the wait is longer than t with r exp(-(m - l) t)."""
    queue = Queue(80, 1, Exponential((0.01,), (1.0,)))
    assert queue.mean_wait_s == pytest.approx(0.8 / 20)
    assert queue.waits_longer(0.1) == pytest.approx(0.8 * exp(-20 * 0.1))


def test_m_d_1_waits_half_as_long_as_m_m_1():
    """Pollaczek and Khinchine: l s^2 / (2 (1 - r))."""
    assert Queue(80, 1, TEN_MS).mean_wait_s == pytest.approx(80 * 0.01**2 / (2 * 0.2))


def test_percentiles_invert_the_shares():
    queue = Queue(150, 2, MIXED)
    for share in (0.5, 0.9, 0.99):
        assert queue.takes_longer(queue.percentile_s(share)) == pytest.approx(1 - share, abs=0.005)
    assert Queue(1e-6, 4, TEN_MS).percentile_s(0.99) == pytest.approx(0.01)


def test_more_than_can_be_done_waits_as_long_as_it_may():
    assert Queue(300, 1, TEN_MS).percentile_s(0.99) == inf
    assert Queue(300, 1, TEN_MS, longest_wait_s=0.25).percentile_s(0.99) == pytest.approx(0.26)
    quiet, bounded = Queue(50, 1, TEN_MS), Queue(50, 1, TEN_MS, longest_wait_s=0.25)
    assert bounded.percentile_s(0.99) == pytest.approx(quiet.percentile_s(0.99), rel=0.01)


def test_what_cores_can_take_meets_the_target_and_no_more_would():
    most = most_load(8, MIXED, 0.1)
    assert Queue(most, 8, MIXED).percentile_s(0.99) <= 0.1
    assert Queue(most * 1.01, 8, MIXED).percentile_s(0.99) > 0.1
    assert most_load(8, MIXED, 0.02) == 0


@pytest.mark.parametrize(("cores", "load", "service"), [(1, 0.7, MIXED), (1, 0.85, TEN_MS), (4, 0.8, MIXED)])
def test_the_approximation_is_near_a_simulation(cores, load, service):
    """First come first served, 120,000 arrivals; Allen and Cunneen are known to be within about 10 %."""
    rate, random = load * cores / service.mean_s, Random(1)
    free, now, taken = [0.0] * cores, 0.0, []
    for _ in range(120_000):
        now += random.expovariate(rate)
        begun = max(now, free.pop(0))
        ended = begun + random.choices(service.seconds, service.shares)[0]
        insort(free, ended)
        taken.append(ended - now)
    simulated = quantiles(taken, n=100)[98]
    assert Queue(rate, cores, service).percentile_s(0.99) == pytest.approx(simulated, rel=0.1)
