"""``python -m loadtest.dear``: ordinary photos among clients that send nothing but pictures of 50 megapixels.

One client sends ordinary photos, first alone, then beside eight that send large PNGs as fast as they are answered. What
these cost must not be paid by the others: p99 below five times its unloaded value, ``/health/live`` below 100 ms.
"""

import asyncio
import json
from concurrent.futures import ProcessPoolExecutor
from typing import Annotated

import typer

from loadtest.arrivals import Arrivals, Request, percentiles
from loadtest.clients import first_model
from loadtest.overload import probe
from loadtest.photos import THUMBNAIL, flat_png, jpeg
from loadtest.processes import server

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

LARGE = (7000, 7000)
_WARM_UP_S = 3


@app.command()
def run(
    clients: Annotated[int, typer.Option(min=1, help="Clients that send large PNGs.")] = 8,
    duration_s: Annotated[float, typer.Option(min=1, help="Seconds of each of both runs.")] = 30,
) -> None:
    """Starts a server, and prints how long ordinary photos took, alone and beside large ones, as JSON."""
    photo, large = jpeg(THUMBNAIL, 1), flat_png(LARGE)
    with server() as (address, _), ProcessPoolExecutor(1) as pool:
        path = f"/v1/models/{first_model(address)}:predict"
        warming = Arrivals(address, Request(path, photo))  # what the first ones meet is no measure
        asyncio.run(warming.ask_again(1, _WARM_UP_S))
        alone = Arrivals(address, Request(path, photo))
        asyncio.run(alone.ask_again(1, duration_s))
        probing = pool.submit(probe, address, duration_s)
        beside, others = Arrivals(address, Request(path, photo)), Arrivals(address, Request(path, large))
        asyncio.run(_both(beside, others, clients, duration_s))
        typer.echo(json.dumps(report(alone, beside, others, probing.result()), indent=2))


async def _both(beside: Arrivals, others: Arrivals, clients: int, duration_s: float) -> None:
    await asyncio.gather(others.ask_again(clients, duration_s), beside.ask_again(1, duration_s))


def report(alone: Arrivals, beside: Arrivals, others: Arrivals, live_s: list[float]) -> dict[str, object]:
    """Percentiles in milliseconds; the ratio is that of the 99th."""
    quiet, busy = percentiles(alone.accepted_s), percentiles(beside.accepted_s)
    return {
        "alone_ms": quiet,
        "beside_ms": busy,
        "p99_ratio": round(busy["p99"] / quiet["p99"], 2) if quiet["p99"] else None,
        "statuses": dict(beside.statuses),
        "large_statuses": dict(others.statuses),
        "large_ms": percentiles(others.accepted_s),
        "live_ms": percentiles(live_s),
        "live_max_ms": round(1000 * max(live_s, default=0), 1),
    }


if __name__ == "__main__":
    app()
