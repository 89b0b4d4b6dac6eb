"""``python -m loadtest.overload``: a server that gets several times what it can do.

First it is asked by as many clients as keep it busy, which tells its capacity; then photos arrive at a multiple of that
rate, whether the earlier ones were answered or not. Meanwhile a process of its own asks ``/health/live``.
"""

import asyncio
import json
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from statistics import quantiles
from time import monotonic, sleep
from typing import Annotated
from urllib.parse import urlsplit

import typer

from loadtest.clients import ask_for, connection
from loadtest.photos import THUMBNAIL, jpeg
from loadtest.processes import server

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_PROBE_EVERY_S = 0.05
_BUSY_CLIENTS = 32


@app.command()
def run(
    url: Annotated[str, typer.Option(help="A running Loupe; without, one is started and stopped.")] = "",
    times: Annotated[float, typer.Option(min=0.1, help="Of its capacity.")] = 4,
    duration_s: Annotated[float, typer.Option(min=1, help="Seconds of overload.")] = 20,
) -> None:
    """Prints what became of the requests, as JSON."""
    photo = jpeg(THUMBNAIL, 1)
    with nullcontext((url, 0)) if url else server() as (address, _), ProcessPoolExecutor(1) as pool:
        path = f"/v1/models/{_first_model(address)}:predict"
        seconds = duration_s / 4
        capacity = ask_for(address, path, photo, _BUSY_CLIENTS, seconds) / seconds
        probing = pool.submit(probe, address, duration_s)
        arrivals = Arrivals(address, path, photo)
        asyncio.run(arrivals.arrive(times * capacity, duration_s))
        typer.echo(json.dumps(report(capacity, arrivals, probing.result()), indent=2))


class Arrivals:
    """Requests that come at their own rate.

    Attributes:
        statuses: how many of each status; of connections that failed, the error's name.
        accepted_s: seconds until the answer, of those with 200.
    """

    def __init__(self, url: str, path: str, photo: bytes) -> None:
        address = urlsplit(url)
        self.statuses: Counter[str] = Counter()
        self.accepted_s: list[float] = []
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
        "capacity_per_s": round(capacity, 1),
        "requests": arrivals.statuses.total(),
        "statuses": dict(arrivals.statuses.most_common()),
        "accepted_ms": _percentiles(arrivals.accepted_s),
        "live_ms": _percentiles(live_s),
    }


def _percentiles(seconds: list[float]) -> dict[str, float]:
    cuts = quantiles(seconds or [0.0, 0.0], n=100, method="inclusive")
    return {f"p{percent}": round(1000 * cuts[percent - 1], 1) for percent in (50, 99)}


def _first_model(url: str) -> str:
    with connection(url) as asking:
        asking.request("GET", "/version")
        return str(next(iter(json.loads(asking.getresponse().read())["models"])))


if __name__ == "__main__":
    app()
