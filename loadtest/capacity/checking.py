"""Whether the model is right: a server on one core, Poisson arrivals, and what the formulas say about them."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from loadtest.arrivals import Arrivals, Request, percentiles
from loadtest.bench.measuring import Watch
from loadtest.capacity.queueing import Queue, Service
from loadtest.clients import first_model
from loadtest.photos import THUMBNAIL, jpeg
from loadtest.processes import cpu_s, own_cores, server

_CLIENTS, _WARM_UP_S, _MAX_WAIT_S = 8, 1, 0.25


@dataclass(frozen=True)
class Checked:
    """One rate of arrivals.

    Attributes:
        load: arrivals a second as a share of what the core can do.
        p50_ms: measured, of what was accepted.
        p99_ms: measured.
        predicted_p50_ms: by the model.
        predicted_p99_ms: by the model.
        refused: share of the arrivals.
        others: cores that were busy with something else meanwhile.
    """

    load: float
    p50_ms: float
    p99_ms: float
    predicted_p50_ms: float
    predicted_p99_ms: float
    refused: float
    others: float


def check(loads: Sequence[float], duration_s: float, seed: int = 1) -> Iterator[Checked]:
    """Starts a server on one core, measures what a picture costs it, and then each load.

    Args:
        loads: shares of what the core can do; from 1 on, it has to refuse.
        duration_s: of each.
        seed: of the arrivals.
    """
    with own_cores() as cores, server(_MAX_WAIT_S, cores) as (url, pid):
        request = Request(f"/v1/models/{first_model(url)}:predict", jpeg(THUMBNAIL, 1))
        asyncio.run(Arrivals(url, request).ask_again(_CLIENTS, _WARM_UP_S))
        cost_s = _cost_s(url, pid, request, duration_s / 2)
        for load in loads:
            watch, asked = Watch(pid), Arrivals(url, request)
            asyncio.run(asked.arrive(load / cost_s, duration_s, Random(seed)))  # noqa: S311 - arrivals, not secrets
            yield checked(load, cost_s, asked, watch.others())


def _cost_s(url: str, pid: int, request: Request, duration_s: float) -> float:
    before, asked = cpu_s(pid), Arrivals(url, request)
    asyncio.run(asked.ask_again(_CLIENTS, duration_s))
    return (cpu_s(pid) - before) / len(asked.accepted_s)


def checked(load: float, cost_s: float, asked: Arrivals, others: float) -> Checked:
    """Puts what the model says beside what became of the arrivals."""
    queue = Queue(load / cost_s, 1, Service((cost_s,), (1.0,)), longest_wait_s=_MAX_WAIT_S)
    measured = percentiles(asked.accepted_s)
    median, most = (round(1000 * queue.percentile_s(share), 2) for share in (0.5, 0.99))
    refused = 1 - len(asked.accepted_s) / max(1, asked.statuses.total())
    return Checked(load, measured["p50"], measured["p99"], median, most, round(refused, 4), others)


def table(checked: Sequence[Checked]) -> str:
    """A line for each load."""
    head = [
        "| load | p50 ms: measured, predicted | p99 ms: measured, predicted | refused | others |",
        "|---:" * 5 + "|",
    ]
    lines = [
        f"| {one.load:g} | {one.p50_ms:.1f}, {one.predicted_p50_ms:.1f} | {one.p99_ms:.1f}, {one.predicted_p99_ms:.1f} "
        f"| {one.refused:.1%} | {one.others:.2f} |"
        for one in checked
    ]
    return "\n".join([*head, *lines])
