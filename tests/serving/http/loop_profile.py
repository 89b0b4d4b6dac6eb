"""``python -m tests.serving.http.loop_profile``: what the event loop does for one photo, by who does it.

Answers photos of 20 x 20 pixels to the smallest model, so that next to nothing but the loop's own work is left. Calls
of Python are counted, which no other load disturbs; CPU time is that of the loop's thread while it is watched, so only
its shares count.
"""

import asyncio
import cProfile
import os
import pstats
import signal
import sysconfig
import tempfile
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Annotated

import typer

from loadtest.arrivals import Arrivals
from loadtest.bench.cases import Case, networks, request, write_photos
from serving.access.listening import listen
from serving.http.app import create_app
from serving.http.server import Server
from serving.observability.logging import configure_logging
from serving.settings import Settings

_CASE = Case("least", "tiny", 8)
_PACKAGES, _PYTHON = sysconfig.get_path("purelib"), sysconfig.get_path("stdlib")
_HOUSE = Path(__file__).parents[3]

Place = tuple[str, int, str]
"""Of a function: its file, line and name; what is built in has the file ``~``."""


def place(file: str) -> str:
    """Who a file belongs to: a package, one of our rooms, or Python's library."""
    if file.startswith(_PACKAGES):
        return file.removeprefix(_PACKAGES).split("/")[1].removesuffix(".py")
    if file.startswith(str(_HOUSE)):
        return "/".join(Path(file).relative_to(_HOUSE).parts[:2])
    return (
        f"Python's {Path(file).relative_to(_PYTHON).parts[0].removesuffix('.py')}" if file.startswith(_PYTHON) else ""
    )


def shares(watched: pstats.Stats) -> tuple[Counter[str], dict[str, float]]:
    """Calls, and seconds of CPU, by who made them; what is built in counts for its caller."""
    calls, seconds = Counter[str](), defaultdict[str, float](float)
    functions: dict[Place, tuple[int, int, float, float, dict[Place, tuple[int, int, float, float]]]]
    functions = watched.stats  # type: ignore[attr-defined]  # typeshed does not know it
    for (file, _, _), (_, count, own_s, _, callers) in functions.items():
        if file != "~":
            calls[place(file)] += count
            seconds[place(file)] += own_s
            continue
        for (caller, _, _), (_, count_here, own_here_s, _) in callers.items():
            calls[place(caller)] += count_here
            seconds[place(caller)] += own_here_s
    return calls, seconds


def watch(seconds: float, models: Path) -> tuple[pstats.Stats, int]:
    """Serves for so many seconds; the profile of the loop's thread, and how many photos were answered."""
    os.environ["LOUPE_LOG_LEVEL"] = "info"
    configure_logging("info")
    with tempfile.TemporaryDirectory() as room:
        asked = request(_CASE, networks(models)[_CASE.network], write_photos(Path(room), [_CASE.photo])[_CASE.photo])
    settings = Settings.load().model_copy(update={"models": models, "versions": "all", "max_wait_s": 60.0})
    profile, answered = cProfile.Profile(time.thread_time), Counter[str]()

    def ask(url: str) -> None:
        arrivals = Arrivals(url, asked)
        asyncio.run(arrivals.ask_again(_CASE.clients, seconds))
        answered["photos"] = arrivals.statuses.total()
        os.kill(os.getpid(), signal.SIGINT)

    def begin(url: str) -> None:
        profile.enable()  # here, as starting makes more calls than many photos
        threading.Thread(target=ask, args=[url], daemon=True).start()

    server = Server(create_app(settings), listen("127.0.0.1", 0), settings, begin)
    server.serve_until_stopped()
    profile.disable()
    return pstats.Stats(profile), answered["photos"]


def run(
    seconds: Annotated[float, typer.Option(min=0.5, help="How long photos are answered.")] = 10,
    least: Annotated[float, typer.Option(help="Per cent of the time from which on a line is shown.")] = 1,
) -> None:
    """Prints who makes how many calls for one photo, and takes what share of the loop's time."""
    watched, photos = watch(seconds, Path(os.environ.get("LOUPE_MODELS", "models")))
    calls, taken = shares(watched)
    whole = sum(taken.values())
    typer.echo(f"{photos:,} photos, {sum(calls.values()) / photos:,.0f} calls each\n")
    typer.echo(f"{'':32} calls  time")
    for name, own_s in sorted(taken.items(), key=lambda one: -one[1]):
        if 100 * own_s / whole >= least:
            typer.echo(f"{name or 'the loop itself':32} {calls[name] / photos:5.0f} {own_s / whole:5.0%}")


if __name__ == "__main__":
    typer.run(run)
