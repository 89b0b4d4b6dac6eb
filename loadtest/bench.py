"""``python -m loadtest.bench``: what serving adds to the work that no server can avoid.

The floor (``python -m serving.engine.floor``: decode, preprocess, session, no HTTP) and the server take turns within
one run, so that whatever else the machine does meets both. CPU time is that of the whole process tree.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Annotated

import typer

from loadtest.clients import ask_for, connection
from loadtest.photos import PHONE, THUMBNAIL, WEB, Size, jpeg
from loadtest.processes import cpu_s, server

SIZES = (THUMBNAIL, WEB, PHONE)
CLIENTS = (1, 32)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Case:
    """One thing that is measured; no clients: the floor."""

    photo: str
    clients: int
    models: int = 1


@dataclass(frozen=True)
class Measurement:
    """Of one case in one round."""

    cpu_ms: float
    images_per_s: float


@app.command()
def run(
    rounds: Annotated[int, typer.Option(min=1, help="How often each case is measured; medians count.")] = 5,
    seconds: Annotated[float, typer.Option(min=0.1, help="Of each measurement.")] = 1.5,
    output: Annotated[Path | None, typer.Option(help="File for the figures as JSON.")] = None,
) -> None:
    """Prints CPU milliseconds an image and their ratios to the floor."""
    with tempfile.TemporaryDirectory() as folder, server() as (url, server_pid), _floor() as floor:
        bench = Bench(url, server_pid, floor, Path(folder), seconds)
        measured = [bench.measure_all() for _ in range(rounds)]
    figures = summary(measured)
    if output is not None:
        output.write_text(json.dumps(figures, indent=2) + "\n")
    typer.echo(table(figures))


class Bench:
    """Server and floor, both running, and the photos."""

    def __init__(self, url: str, server_pid: int, floor: "subprocess.Popen[str]", folder: Path, seconds: float) -> None:
        self._url, self._server_pid, self._floor, self._seconds = url, server_pid, floor, seconds
        self._photos = {_name(size): folder / f"{_name(size)}.jpg" for size in SIZES}
        for seed, (size, path) in enumerate(zip(SIZES, self._photos.values(), strict=True)):
            path.write_bytes(jpeg(size, seed))
        with connection(url) as asking:
            asking.request("GET", "/version")
            self._models = list(json.loads(asking.getresponse().read())["models"])[:2]
        for clients in (0, 1):  # the floor is still loading its models
            self._measure(Case(_name(SIZES[0]), clients))

    def measure_all(self) -> dict[Case, Measurement]:
        """One round: every case once, floor and server in turn."""
        cases = [Case(photo, clients) for photo in self._photos for clients in (0, *CLIENTS)]
        largest = _name(PHONE)
        cases += [Case(largest, clients, len(self._models)) for clients in (0, 1) if len(self._models) > 1]
        return {case: self._measure(case) for case in cases}

    def _measure(self, case: Case) -> Measurement:
        pid = self._server_pid if case.clients else self._floor.pid
        before, started = cpu_s(pid), monotonic()
        images = self._ask_server(case) if case.clients else self._ask_floor(case)
        return Measurement(1000 * (cpu_s(pid) - before) / images, images / (monotonic() - started))

    def _ask_server(self, case: Case) -> int:
        names = self._models[: case.models]
        path = f"/v1/predict?models={','.join(names)}" if case.models > 1 else f"/v1/models/{names[0]}:predict"
        return ask_for(self._url, path, self._photos[case.photo].read_bytes(), case.clients, self._seconds)

    def _ask_floor(self, case: Case) -> int:
        order = {
            "photo": str(self._photos[case.photo]),
            "models": self._models[: case.models],
            "seconds": self._seconds,
        }
        assert self._floor.stdin is not None and self._floor.stdout is not None  # noqa: S101, PT018 - Popen's types
        self._floor.stdin.write(json.dumps(order) + "\n")
        self._floor.stdin.flush()
        return int(json.loads(self._floor.stdout.readline())["images"])


def summary(measured: Sequence[Mapping[Case, Measurement]]) -> dict[str, object]:
    """Medians over the rounds; ``ratio`` is CPU time an image against the floor's for the same photo and models.

    ``two_models`` is what two models cost against one, for the largest photo and one client.
    """
    cpu = {case: median(one[case].cpu_ms for one in measured) for case in measured[0]}
    rate = {case: median(one[case].images_per_s for one in measured) for case in measured[0]}
    cases = [
        {
            **asdict(case),
            "cpu_ms": round(cpu[case], 3),
            "images_per_s": round(rate[case], 1),
            "ratio": round(cpu[case] / cpu[Case(case.photo, 0, case.models)], 3),
        }
        for case in cpu
    ]
    one, two = (cpu.get(Case(_name(PHONE), 1, models)) for models in (1, 2))
    ratio = round(two / one, 3) if one and two else None
    return {"cores": len(os.sched_getaffinity(0)), "rounds": len(measured), "cases": cases, "two_models": ratio}


def table(figures: Mapping[str, object]) -> str:
    """For people."""
    lines = [f"{'photo':>12} {'models':>7} {'clients':>8} {'CPU ms/image':>13} {'to floor':>9} {'images/s':>9}"]
    cases = figures["cases"]
    assert isinstance(cases, list)  # noqa: S101
    for case in cases:
        clients = case["clients"] or "floor"
        lines.append(
            f"{case['photo']:>12} {case['models']:>7} {clients:>8} {case['cpu_ms']:>13.2f} "
            f"{case['ratio']:>9.2f} {case['images_per_s']:>9.1f}"
        )
    if figures["two_models"] is not None:
        lines.append(f"{_name(PHONE)} to two models costs {figures['two_models']} x one model")
    return "\n".join(lines)


def _name(size: Size) -> str:
    return f"{size[0]}x{size[1]}"


@contextmanager
def _floor() -> "Iterator[subprocess.Popen[str]]":
    command = [sys.executable, "-m", "serving.engine.floor"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            yield process
        finally:
            process.kill()


if __name__ == "__main__":
    app()
