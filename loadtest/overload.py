"""``python -m loadtest.overload``: a server that gets several times what it can do.

First one client alone tells how long an answer takes, and then several how many a second there are at best. Then photos
arrive at a multiple of that rate, whether the earlier ones were answered or not. Meanwhile a process of its own asks
``/health/live``. The server has one core, and all that asks has the others.
"""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from statistics import quantiles
from time import monotonic, sleep
from typing import Annotated
from urllib.parse import urlsplit

import typer

from loadtest.clients import connection
from loadtest.photos import THUMBNAIL, jpeg
from loadtest.processes import server

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_PROBE_EVERY_S = 0.05
_MAX_WAIT_S = 0.25  # the default
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
        path = f"/v1/models/{first_model(address)}:predict"
        _closed(address, path, photo, 1, 1)  # what the first requests meet is no measure
        alone = _closed(address, path, photo, 1, duration_s / 4)
        busy = [_closed(address, path, photo, clients, duration_s / 4) for clients in _BUSY_CLIENTS]
        capacity = max(arrivals.goodput for arrivals in busy)
        told: dict[str, object] = {"capacity_per_s": round(capacity, 1), "alone_ms": percentiles(alone.accepted_s)}
        for multiple in map(float, times.split(",")):
            probing = pool.submit(probe, address, duration_s)
            arrivals = Arrivals(address, path, photo)
            asyncio.run(arrivals.arrive(multiple * capacity, duration_s))
            told[f"{multiple:g} x"] = report(capacity, arrivals, probing.result())
        typer.echo(json.dumps(told, indent=2))


@contextmanager
def _running(url: str) -> Iterator[str]:
    """The server gets one core if there are more, and whatever asks the others."""
    if url:
        yield url
        return
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[:1])
    with server(_MAX_WAIT_S) as (address, _):
        os.sched_setaffinity(0, cores[1:] or cores)
        yield address


def _closed(url: str, path: str, photo: bytes, clients: int, duration_s: float) -> "Arrivals":
    arrivals = Arrivals(url, path, photo)
    asyncio.run(arrivals.ask_again(clients, duration_s))
    return arrivals


class Arrivals:
    """Requests that come at their own rate, or as soon as the one before is answered.

    Attributes:
        statuses: how many of each status; of connections that failed, the error's name.
        accepted_s: seconds until the answer, of those with 200.
        refused_s: the same of those with 429.
        retry_after: how many were told to come again after so many seconds.
        goodput: answers with 200 a second.
    """

    def __init__(self, url: str, path: str, photo: bytes) -> None:
        address = urlsplit(url)
        self.statuses: Counter[str] = Counter()
        self.accepted_s: list[float] = []
        self.refused_s: list[float] = []
        self.retry_after: Counter[str] = Counter()
        self.goodput = 0.0
        self._address = (address.hostname, address.port)
        head = f"POST {path} HTTP/1.1\r\nHost: loadtest\r\nContent-Type: image/jpeg\r\n"
        self._request = f"{head}Content-Length: {len(photo)}\r\n\r\n".encode() + photo
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def arrive(self, rate: float, duration_s: float) -> None:
        """Begins ``rate`` requests a second; returns when all are answered."""
        started, begun = monotonic(), 0
        async with asyncio.TaskGroup() as group:
            while (passed := monotonic() - started) < duration_s:
                for _ in range(int(passed * rate) - begun):
                    group.create_task(self._ask())
                    begun += 1
                await asyncio.sleep(0.005)
            in_time = len(self.accepted_s)
        self._end(in_time / duration_s)

    async def ask_again(self, clients: int, duration_s: float) -> None:
        """Lets so many clients ask for so long; whoever is refused comes again soon."""
        until = monotonic() + duration_s

        async def client() -> None:
            while monotonic() < until:
                refused = len(self.refused_s)
                await self._ask()
                if len(self.refused_s) > refused:
                    await asyncio.sleep(_PROBE_EVERY_S)

        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(client())
        self._end(len(self.accepted_s) / duration_s)

    def _end(self, goodput: float) -> None:
        self.goodput = goodput
        for _, writer in self._idle:
            writer.close()

    async def _ask(self) -> None:
        started = monotonic()
        try:
            reader, writer = self._idle.pop() if self._idle else await asyncio.open_connection(*self._address)
            writer.write(self._request)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]))
        except (OSError, asyncio.IncompleteReadError) as error:
            self.statuses[type(error).__name__] += 1
            return
        self._idle.append((reader, writer))
        status = head.split()[1].decode()
        self.statuses[status] += 1
        if status == "200":
            self.accepted_s.append(monotonic() - started)
        elif status == "429":
            self.refused_s.append(monotonic() - started)
            self.retry_after[head.lower().partition(b"retry-after: ")[2].split(b"\r\n")[0].decode()] += 1


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


def percentiles(seconds: list[float]) -> dict[str, float]:
    """The median and the 99th, in milliseconds."""
    cuts = quantiles(seconds or [0.0, 0.0], n=100, method="inclusive")
    return {f"p{percent}": round(1000 * cuts[percent - 1], 1) for percent in (50, 99)}


def first_model(url: str) -> str:
    """The name of one that the server has."""
    with connection(url) as asking:
        asking.request("GET", "/version")
        return str(next(iter(json.loads(asking.getresponse().read())["models"])))


if __name__ == "__main__":
    app()
