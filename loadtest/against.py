"""``python -m loadtest.against COMMIT``: what an ordinary photo costs this tree, and what it cost an earlier commit.

Both serve that commit's models, on one core, and are asked in turns: what other work does to one it does to the other.
The ratio is the median of all rounds' ratios of CPU, as the kernel counts it; it may say little of a busy machine, and
its quartiles tell how little.
"""

import asyncio
import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Annotated

import typer

from loadtest.arrivals import Arrivals, Request
from loadtest.clients import first_model
from loadtest.photos import THUMBNAIL, jpeg
from loadtest.processes import cpu_s, own_cores, server

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_CLIENTS = 8


@app.command()
def run(
    commit: Annotated[str, typer.Argument(help="The earlier one, as git names it.")],
    rounds: Annotated[int, typer.Option(min=2, help="In each, both are asked.")] = 15,
    seconds: Annotated[float, typer.Option(min=0.5, help="Of each, in each round.")] = 2,
) -> None:
    """Prints milliseconds of CPU for each photo, and their ratio, as JSON."""
    now_ms, then_ms = list[float](), list[float]()
    with _checked_out(commit) as tree, own_cores() as cores:
        models = {"LOUPE_MODELS": str(tree / "models")}
        with server(None, cores, models) as now, server(None, cores, models, tree) as then:
            for _ in range(rounds):
                now_ms.append(_cpu_ms(*now, seconds))
                then_ms.append(_cpu_ms(*then, seconds))
    ratios = [one / other for one, other in zip(now_ms, then_ms, strict=True)]
    low, middle, high = (round(cut, 3) for cut in quantiles(ratios, n=4, method="inclusive"))
    told = {"now_ms": round(median(now_ms), 2), "then_ms": round(median(then_ms), 2)}
    typer.echo(json.dumps({**told, "ratio": middle, "ratio_quartiles": [low, high]}, indent=2))


@contextmanager
def _checked_out(commit: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "then"
        _worktree("add", "--quiet", "--detach", str(tree), commit)
        try:
            yield tree
        finally:
            _worktree("remove", "--force", str(tree))


def _worktree(*arguments: str) -> None:
    subprocess.run(["git", "worktree", *arguments], check=True)  # noqa: S603, S607 - whichever git there is


def _cpu_ms(url: str, pid: int, seconds: float) -> float:
    arrivals = Arrivals(url, Request(f"/v1/models/{first_model(url)}:predict", jpeg(THUMBNAIL, 1)))
    before = cpu_s(pid)
    asyncio.run(arrivals.ask_again(_CLIENTS, seconds))
    return 1000 * (cpu_s(pid) - before) / len(arrivals.accepted_s)


if __name__ == "__main__":
    app()
