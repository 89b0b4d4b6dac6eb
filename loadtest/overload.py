"""``python -m loadtest.overload``: a server that gets several times what it can do.

First one client alone tells how long an answer takes, and then several how many a second there are at best. Then photos
arrive at a multiple of that rate, whether the earlier ones were answered or not. Meanwhile a process of its own asks
``/health/live``. The server has one core, and all that asks has the others. Where others want these cores too, goodput
says little; what an answer takes of the server's CPU then still tells what refusing the rest costs.
"""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
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


@app.command()
def run(
    url: Annotated[str, typer.Option(help="A running Loupe; without, one is started on a core of its own.")] = "",
    times: Annotated[str, typer.Option(help="Multiples of its capacity, separated by commas.")] = "2,10",
    duration_s: Annotated[float, typer.Option(min=1, help="Seconds of each.")] = 20,
) -> None:
    """Prints what became of the requests, as JSON."""
    photo = jpeg(THUMBNAIL, 1)
    with _running(url) as (address, pid), ProcessPoolExecutor(1) as pool:
        request = Request(f"/v1/models/{first_model(address)}:predict", photo)
        _closed(address, request, 1, 1)  # what the first requests meet is no measure
        alone = _closed(address, request, 1, duration_s / 4)
        watch = _Watch(pid)
        busy = [_closed(address, request, clients, duration_s / 4) for clients in _BUSY_CLIENTS]
        at_best = watch.report(sum(len(arrivals.accepted_s) for arrivals in busy))
        capacity = max(arrivals.goodput for arrivals in busy)
        told: dict[str, object] = {"capacity_per_s": round(capacity, 1), "alone_ms": percentiles(alone.accepted_s)}
        told["at best"] = at_best
        for multiple in map(float, times.split(",")):
            probing, watch = pool.submit(probe, address, duration_s), _Watch(pid)
            arrivals = Arrivals(address, request)
            asyncio.run(arrivals.arrive(multiple * capacity, duration_s))
            cost = watch.report(len(arrivals.accepted_s))
            told[f"{multiple:g} x"] = report(capacity, arrivals, probing.result()) | cost
        typer.echo(json.dumps(told, indent=2))


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


def _closed(url: str, request: Request, clients: int, duration_s: float) -> Arrivals:
    arrivals = Arrivals(url, request)
    asyncio.run(arrivals.ask_again(clients, duration_s))
    return arrivals


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


def report(capacity: float, arrivals: Arrivals, live_s: list[float]) -> dict[str, object]:
    """Percentiles in milliseconds."""
    return {
        "goodput": round(arrivals.goodput / capacity, 3),
        "requests": arrivals.statuses.total(),
        "statuses": dict(arrivals.statuses.most_common()),
        "accepted_ms": percentiles(arrivals.accepted_s),
        "refused_ms": percentiles(arrivals.refused_s),
        "retry_after_s": dict(arrivals.retry_after),
        "live_ms": percentiles(live_s),
    }


if __name__ == "__main__":
    app()
