"""``python -m loadtest.disposable``: what it costs that dear pictures are decoded in a process that can be ended.

A lossless WebP of four megapixels is dear enough to get one. The first after a rest finds none, and those behind it
find it warm; so the difference is what starting costs, beside the memory of a process that rests.
"""

import json
from http.client import HTTPConnection
from statistics import median
from time import monotonic, sleep
from typing import Annotated

import typer

from loadtest.clients import connection
from loadtest.mischief import PREDICT, encoded
from loadtest.processes import children, cpu_s, resident_mb, server

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_SIZE = (2000, 2000)
_WARM = 3
_END_S = 60  # it ends after 5 s without work


@app.command()
def run(rounds: Annotated[int, typer.Option(min=1, help="Times that a process is started.")] = 5) -> None:
    """Prints medians, as JSON: milliseconds, and megabytes."""
    photo = encoded("WEBP", "RGBA", _SIZE, lossless=True, method=0)
    figures = list[tuple[float, float, float]]()
    with server() as (url, pid), connection(url) as asking:
        _ask(asking, pid, photo)  # what the first requests meet is no measure
        for _ in range(rounds):
            _rest(pid)
            first = _ask(asking, pid, photo)
            warm = [_ask(asking, pid, photo) for _ in range(_WARM)]
            resident = sum(resident_mb(child) for child in children(pid))
            figures.append(
                (first[0] - median(one[0] for one in warm), first[1] - median(one[1] for one in warm), resident)
            )
    starts_s, cpu, resident_each = (median(one) for one in zip(*figures, strict=True))
    told = {"starts_ms": 1000 * starts_s, "starts_cpu_ms": 1000 * cpu, "resident_mb": resident_each}
    typer.echo(json.dumps({name: round(value, 1) for name, value in told.items()}, indent=2))


def _ask(asking: HTTPConnection, pid: int, photo: bytes) -> tuple[float, float]:
    """Seconds until the answer, and those of CPU that the server and its processes took for it."""
    started, cpu = monotonic(), cpu_s(pid)
    asking.request("POST", PREDICT, photo, {"Content-Type": "image/webp"})
    answer = asking.getresponse()
    if answer.status != 200:
        raise typer.BadParameter(f"the server answered {answer.status}: {answer.read(200)!r}")
    answer.read()
    return monotonic() - started, cpu_s(pid) - cpu


def _rest(pid: int) -> None:
    until = monotonic() + _END_S
    while children(pid):
        if monotonic() > until:
            raise typer.BadParameter(f"a process did not end within {_END_S} s of rest")
        sleep(0.1)


if __name__ == "__main__":
    app()
