"""``python -m loadtest.overload``: a server that gets several times what it can do.

First one client alone tells how long an answer takes, and then several how many a second there are at best. Then photos
arrive at a multiple of that rate, whether the earlier ones were answered or not. Meanwhile a process of its own asks
``/health/live``. The server has one core, and all that asks has the others.
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
from loadtest.processes import own_cores, server

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
    with _running(url) as address, ProcessPoolExecutor(1) as pool:
        request = Request(f"/v1/models/{first_model(address)}:predict", photo)
        _closed(address, request, 1, 1)  # what the first requests meet is no measure
        alone = _closed(address, request, 1, duration_s / 4)
        busy = [_closed(address, request, clients, duration_s / 4) for clients in _BUSY_CLIENTS]
        capacity = max(arrivals.goodput for arrivals in busy)
        told: dict[str, object] = {"capacity_per_s": round(capacity, 1), "alone_ms": percentiles(alone.accepted_s)}
        for multiple in map(float, times.split(",")):
            probing = pool.submit(probe, address, duration_s)
            arrivals = Arrivals(address, request)
            asyncio.run(arrivals.arrive(multiple * capacity, duration_s))
            told[f"{multiple:g} x"] = report(capacity, arrivals, probing.result())
        typer.echo(json.dumps(told, indent=2))


@contextmanager
def _running(url: str) -> Iterator[str]:
    """The server gets one core if there are more, and whatever asks the others."""
    if url:
        yield url
        return
    with own_cores() as servers, server(None, servers) as (address, _):
        yield address


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
