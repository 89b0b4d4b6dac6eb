"""``python -m loadtest.overload``: a server that gets several times what it can do.

One client alone tells how long an answer takes, and then several how many a second there are at best. Then photos
arrive at a multiple of that rate, whether the earlier ones were answered or not. What is answered is compared with what
the server did at best right before and right after, round by round, as shared cores are now faster and now slower.
Meanwhile a process of its own asks ``/health/live``. The server has one core, and all that asks has the others. What an
answer takes of the server's CPU tells what refusing the rest costs.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from time import monotonic, sleep
from typing import Annotated

import typer

from loadtest.arrivals import Arrivals, Request, percentiles
from loadtest.clients import connection, first_model
from loadtest.photos import THUMBNAIL, jpeg
from loadtest.processes import cpu_s, loop_cpu_s, own_cores, server

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_PROBE_EVERY_S = 0.05
_BUSY_CLIENTS = (4, 8, 16)  # of these the best; more would be refused


@dataclass(frozen=True)
class Stretch:
    """Some seconds of it: what became of the requests, and what they cost (see ``_Watch.report``)."""

    arrivals: Arrivals
    cost: dict[str, float]


@dataclass(frozen=True)
class Overload(Stretch):
    """A multiple of what the server can do.

    Attributes:
        at_best: answers a second, before and after.
        live_s: how long ``/health/live`` took, each time.
    """

    at_best: float
    live_s: list[float]


@app.command()
def run(
    url: Annotated[str, typer.Option(help="A running Loupe; without, one is started on a core of its own.")] = "",
    times: Annotated[str, typer.Option(help="Multiples of its capacity, separated by commas.")] = "2,10",
    duration_s: Annotated[float, typer.Option(min=1, help="Seconds of each in a round.")] = 20,
    rounds: Annotated[int, typer.Option(min=1, help="How often each multiple takes its turn.")] = 3,
) -> None:
    """Prints what became of the requests, as JSON."""
    photo, multiples = jpeg(THUMBNAIL, 1), [float(multiple) for multiple in times.split(",")]
    with _running(url) as (address, pid), ProcessPoolExecutor(1) as pool:
        request = Request(f"/v1/models/{first_model(address)}:predict", photo)

        def closed(clients: int, seconds: float) -> Stretch:
            watch, arrivals = _Watch(pid), Arrivals(address, request)
            asyncio.run(arrivals.ask_again(clients, seconds))
            return Stretch(arrivals, watch.report(len(arrivals.accepted_s)))

        def overload(multiple: float, before: Stretch) -> tuple[Overload, Stretch]:
            probing, watch, arrivals = pool.submit(probe, address, duration_s), _Watch(pid), Arrivals(address, request)
            asyncio.run(arrivals.arrive(multiple * before.arrivals.goodput, duration_s))
            cost = watch.report(len(arrivals.accepted_s))
            after = closed(busy, duration_s / 2)
            at_best = (before.arrivals.goodput + after.arrivals.goodput) / 2
            return Overload(arrivals, cost, at_best, probing.result()), after

        closed(1, 1)  # what the first requests meet is no measure
        alone = closed(1, duration_s / 4)
        busy = max(_BUSY_CLIENTS, key=lambda clients: closed(clients, duration_s / 4).arrivals.goodput)
        best, overloads = [closed(busy, duration_s / 2)], list[Overload]()
        for multiple in multiples * rounds:
            over, after = overload(multiple, best[-1])
            best.append(after)
            overloads.append(over)
    told = {"alone_ms": percentiles(alone.arrivals.accepted_s), "at best": summary(best)}
    by_multiple = {
        f"{multiple:g} x": report(overloads[place :: len(multiples)]) for place, multiple in enumerate(multiples)
    }
    typer.echo(json.dumps(told | by_multiple, indent=2))


@contextmanager
def _running(url: str) -> Iterator[tuple[str, int | None]]:
    """The server gets one core if there are more, and whatever asks the others."""
    if url:
        yield url, None
        return
    with own_cores() as servers, server(None, servers) as running:
        yield running


class _Watch:
    """What a server's processes take, from its making on; of one elsewhere, nothing is known."""

    def __init__(self, pid: int | None) -> None:
        self._pid = pid
        self._before = self._now()

    def _now(self) -> tuple[float, float, float]:
        return (monotonic(), 0.0, 0.0) if self._pid is None else (monotonic(), cpu_s(self._pid), loop_cpu_s(self._pid))

    def report(self, answers: int) -> dict[str, float]:
        """Cores that it had; milliseconds of CPU, and of its loop, for each 200, refusals included."""
        if self._pid is None or not answers:
            return {}
        passed, tree, loop = (after - before for before, after in zip(self._before, self._now(), strict=True))
        each = 1000 / answers
        return {"cores": round(tree / passed, 2), "cpu_ms": round(tree * each, 2), "loop_ms": round(loop * each, 2)}


def probe(url: str, duration_s: float) -> list[float]:
    """Asks ``/health/live`` now and then for so long; returns the seconds that each answer took."""
    until, taken = monotonic() + duration_s, list[float]()
    with connection(url) as asking:
        while monotonic() < until:
            started = monotonic()
            asking.request("GET", "/health/live")
            asking.getresponse().read()
            taken.append(monotonic() - started)
            sleep(_PROBE_EVERY_S)
    return taken


def summary(stretches: Sequence[Stretch]) -> dict[str, object]:
    """Answers a second in each stretch, how long they took (percentiles over all, ms), and what each cost."""
    return {
        "answers_per_s": [round(one.arrivals.goodput, 1) for one in stretches],
        "accepted_ms": percentiles([took for one in stretches for took in one.arrivals.accepted_s]),
        **{name: [one.cost[name] for one in stretches] for name in stretches[0].cost},
    }


def report(overloads: Sequence[Overload]) -> dict[str, object]:
    """Of one multiple: shares of the best in each round and their median, the rest over all rounds."""
    shares = [one.arrivals.goodput / one.at_best for one in overloads]
    statuses = sum((one.arrivals.statuses for one in overloads), Counter[str]())
    retry_after = sum((one.arrivals.retry_after for one in overloads), Counter[str]())
    return {
        "goodput": round(median(shares), 3),
        "goodputs": [round(share, 3) for share in shares],
        "requests": statuses.total(),
        "statuses": dict(statuses.most_common()),
        **summary(overloads),
        "refused_ms": percentiles([took for one in overloads for took in one.arrivals.refused_s]),
        "retry_after_s": dict(retry_after),
        "live_ms": percentiles([took for one in overloads for took in one.live_s]),
    }


if __name__ == "__main__":
    app()
