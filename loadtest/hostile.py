"""``python -m loadtest.hostile``: whether all others are still answered while files of great cost come at once.

Each kind (``costly.py``) is sent by all of its clients at once. Meanwhile one client sends ordinary photos, and another
asks ``/health/live``. Then there is rest, and the memory must be back. A kind's answers must be photos or refusals.
"""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from time import monotonic, sleep
from typing import Annotated, Any

import typer

from loadtest.arrivals import percentiles
from loadtest.clients import connection
from loadtest.costly import CROWDS, Crowd
from loadtest.mischief import PREDICT, Asked
from loadtest.photos import THUMBNAIL, jpeg
from loadtest.processes import resident_mb, server

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_BUDGET = 2 << 30  # of pictures; the default is half of the machine, which would show little
_HELD = 512 << 20  # of bodies, as by default
_ITSELF_MB = 400  # of the server with its models, and each process that decodes
_ALLOWED = {"200", "400", "413", "422", "429", "504"}  # 504: a dear picture whose turn did not come
_MOST_LEFT_MB = 64
_EVERY_S = 0.05


@app.command()
def run(
    only: Annotated[str, typer.Option(help="Kinds whose name has this in it.")] = "",
    rest_s: Annotated[float, typer.Option(min=0, help="Until the memory is looked at.")] = 10,
) -> None:
    """Starts a server for each kind, and prints what happened as JSON. Exit status 1 if anything did that must not."""
    wrong = list[str]()
    for name, crowd in CROWDS.items():
        if only in name:
            figures = meet(crowd, rest_s)
            typer.echo(json.dumps({name: figures}))
            wrong += [f"{name}: {one}" for one in figures["wrong"]]
    for one in wrong:
        typer.echo(one, err=True)
    raise typer.Exit(1 if wrong else 0)


def meet(crowd: Crowd, rest_s: float) -> dict[str, Any]:
    """What becomes of a crowd, of others, and of the memory; ``wrong`` is what must not be."""
    asked = crowd.made()
    settings = {"LOUPE_MAX_DECODED_BYTES": str(_BUDGET), "LOUPE_MAX_HELD_BYTES": str(_HELD)}
    with server(None, settings=settings) as (url, pid), ThreadPoolExecutor(crowd.clients + 3) as pool:
        for _ in range(5):
            _post(url, PREDICT, jpeg(THUMBNAIL, 1), {})
        sleep(rest_s)
        idle = resident_mb(pid)
        with _until_done() as done:
            photos, live = pool.submit(_photos, url, done), pool.submit(_live, url, done)
            peak, started = pool.submit(_peak, pid, done), monotonic()
            statuses = _all_at_once(pool, url, crowd.clients, asked)
            took_s = monotonic() - started
        sleep(rest_s)
        left = resident_mb(pid) - idle
    return _figures(statuses, photos, live.result(), peak.result() - idle, left, took_s)


def _figures(
    statuses: Counter[str],
    photos: "Future[tuple[Counter[str], list[float]]]",
    live_s: list[float],
    peak_mb: float,
    left_mb: float,
    took_s: float,
) -> dict[str, Any]:
    ordinary, ordinary_s = photos.result()
    wrong = [f"{number} x {status}" for status, number in statuses.items() if status not in _ALLOWED]
    wrong += [f"ordinary photos: {number} x {status}" for status, number in ordinary.items() if status != "200"]
    wrong += ["no ordinary photo was answered"] if not ordinary["200"] else []
    wrong += [f"{peak_mb:.0f} MB more at the peak"] if peak_mb > (_BUDGET + _HELD) / 1e6 + _ITSELF_MB else []
    wrong += [f"{left_mb:.0f} MB stayed"] if left_mb > _MOST_LEFT_MB else []
    return {
        "statuses": dict(statuses),
        "seconds": round(took_s, 1),
        "ordinary": {**ordinary, **percentiles(ordinary_s)},
        "live_ms": {**percentiles(live_s), "max": round(1000 * max(live_s, default=0), 1)},
        "peak_mb": round(peak_mb),
        "stayed_mb": round(left_mb),
        "wrong": wrong,
    }


def _all_at_once(pool: ThreadPoolExecutor, url: str, clients: int, asked: Asked) -> Counter[str]:
    sent = [pool.submit(_post, url, asked.path, asked.body, dict(asked.headers)) for _ in range(clients)]
    return Counter(one.result() for one in sent)


@contextmanager
def _until_done() -> Iterator[Event]:
    done = Event()
    try:
        yield done
    finally:
        done.set()


def _post(url: str, path: str, body: bytes, headers: dict[str, str]) -> str:
    try:
        with connection(url) as asking:
            asking.request("POST", path, body, headers)
            answer = asking.getresponse()
            answer.read()
            return str(answer.status)
    except OSError as error:
        return type(error).__name__


def _photos(url: str, done: Event) -> tuple[Counter[str], list[float]]:
    photo, statuses, taken = jpeg(THUMBNAIL, 2), Counter[str](), list[float]()
    while not done.is_set() or not statuses:
        started = monotonic()
        statuses[_post(url, PREDICT, photo, {})] += 1
        taken.append(monotonic() - started)
        done.wait(_EVERY_S)
    return statuses, taken


def _live(url: str, done: Event) -> list[float]:
    taken = list[float]()
    with connection(url) as asking:
        while not done.wait(_EVERY_S):
            started = monotonic()
            asking.request("GET", "/health/live")
            asking.getresponse().read()
            taken.append(monotonic() - started)
    return taken


def _peak(pid: int, done: Event) -> float:
    peak = 0.0
    while not done.wait(_EVERY_S):
        peak = max(peak, resident_mb(pid))
    return peak


if __name__ == "__main__":
    app()
