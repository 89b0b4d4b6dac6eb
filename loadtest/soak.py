"""``python -m loadtest.soak --minutes 30``: whether a server stays what it was, under all that may happen to it.

As many clients as there are cores send photos of all sizes, bad files and bombs, or leave in the middle; each then
rests for a quarter of the time that its answer took, so that the server is busy for about four fifths. Meanwhile a
version of a model comes and goes. Nothing may be a server's error; descriptors, threads and, in half an hour, memory
must not grow: the least that it had in each minute, as large pictures come and go in between, and what is kept for good
is in the least as well.
"""

import json
import os
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from http.client import HTTPException
from itertools import groupby
from pathlib import Path
from random import Random
from statistics import linear_regression
from time import monotonic, sleep
from typing import Annotated, NamedTuple

import typer

from loadtest.clients import connection
from loadtest.mischief import PREDICT, Asked, bad, bombs, leave
from loadtest.photos import PHONE, THUMBNAIL, WEB, jpeg
from loadtest.processes import children, server

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_SAMPLE_EVERY_S, _RELOAD_EVERY_S = 2.0, 10.0
_RESTING = 0.25  # of the time that an answer took
_MEBIBYTE, _MINUTE_S, _TEN_MINUTES_S = 1 << 20, 60, 600
_MOST_MIB, _LONG_S = 1, 1800  # of growth in ten minutes; what a shorter run measures is noise


class Sample(NamedTuple):
    """Of the server's process.

    Attributes:
        descriptors: but for the one by which it talks to each process that decodes dear pictures; these come and go.
    """

    at_s: float
    resident_mib: float
    descriptors: int
    threads: int


@app.command()
def run(
    minutes: Annotated[float, typer.Option(min=0.1, help="Of which the first third warms up.")] = 30,
    models: Annotated[Path, typer.Option(exists=True, help="Folder of models, one of them with two versions.")] = Path(
        "models"
    ),
    rest_s: Annotated[
        float, typer.Option(min=0, help="Until the server is measured: as long as it waits for clients who left.")
    ] = 40,
    seed: Annotated[int, typer.Option(help="Of what is asked.")] = 1,
    clients: Annotated[int, typer.Option(min=0, help="0: as many as there are cores.")] = 0,
) -> None:
    """Prints what happened, as JSON. Exit status 1 if anything did that must not."""
    with tempfile.TemporaryDirectory() as folder:
        copied = shutil.copytree(models, Path(folder) / "models", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
        os.environ["LOUPE_MODELS"] = str(copied)
        with server(None) as (url, pid):
            figures = soak(url, pid, copied, minutes * 60, rest_s, seed, clients or len(os.sched_getaffinity(0)))
    typer.echo(json.dumps(figures, indent=2))
    raise typer.Exit(1 if figures["wrong"] else 0)


def soak(url: str, pid: int, models: Path, seconds: float, rest_s: float, seed: int, clients: int) -> dict[str, object]:
    """Warms up, rests, goes on, and rests: what the two rests differ in has leaked."""
    answers = Counter[str]()
    for what in (_photos, bad, bombs):  # it takes seconds, and the clients are threads
        _made(what)
    _load(url, pid, models, seconds / 3, seed, clients, answers)
    before = _rested(pid, rest_s)
    samples = _load(url, pid, models, seconds * 2 / 3, seed + 1, clients, answers)
    after = _rested(pid, rest_s)
    slope = _slope_mib(_least_of_each_minute(samples))
    return {
        "seconds": round(seconds),
        "answers": dict(sorted(answers.items())),
        "resident_mib": {
            "rested before": before.resident_mib,
            "highest": max(one.resident_mib for one in samples),
            "rested after": after.resident_mib,
        },
        "slope_mib_in_10_min": {"of the least": slope, "of all samples": _slope_mib(samples)},
        "descriptors": [before.descriptors, after.descriptors],
        "threads": [before.threads, after.threads],
        "wrong": _wrong(answers, before, after) + (["memory grew"] if seconds >= _LONG_S and slope > _MOST_MIB else []),
    }


def _least_of_each_minute(samples: Sequence[Sample]) -> list[Sample]:
    minutes = groupby(samples, lambda one: (one.at_s - samples[0].at_s) // _MINUTE_S)
    return [min(ones, key=lambda one: one.resident_mib) for _, ones in minutes]


def _slope_mib(samples: Sequence[Sample]) -> float:
    """In ten minutes; of fewer than two nothing is known."""
    if len(samples) < 2:
        return 0.0
    slope = linear_regression([one.at_s for one in samples], [one.resident_mib for one in samples]).slope
    return round(slope * _TEN_MINUTES_S, 2)


def _wrong(answers: Counter[str], before: Sample, after: Sample) -> list[str]:
    wrong = [f"{count} x {name}" for name, count in answers.items() if name.split()[-1][0] not in "234"]
    wrong += ["descriptors grew"] if after.descriptors > before.descriptors else []
    return wrong + (["threads grew"] if after.threads > before.threads else [])


def _load(
    url: str, pid: int, models: Path, seconds: float, seed: int, clients: int, answers: Counter[str]
) -> list[Sample]:
    until = monotonic() + seconds
    with ThreadPoolExecutor(clients + 1) as pool:
        asking = [pool.submit(_ask_until, url, until, seed * 1000 + number) for number in range(clients)]
        reloading = pool.submit(_reload_until, pid, models, until)
        samples = list(_samples(pid, until))
        for one in asking:
            answers.update(one.result())
        reloading.result()
    return samples


def _ask_until(url: str, until: float, seed: int) -> Counter[str]:
    """One client; what became of its requests, such as ``photo 200``."""
    chance, seen = Random(seed), Counter[str]()  # noqa: S311 - a mix of requests, no secret
    while monotonic() < until:
        started = monotonic()
        if chance.random() < 0.05:
            leave(url, chance.choice((0.0, 0.5, 1.0)))
            seen["left 200"] += 1
        else:
            asked = _drawn(chance)
            seen[f"{asked.name} {_status(url, asked)}"] += 1
        sleep(_RESTING * (monotonic() - started))
    return seen


def _drawn(chance: Random) -> Asked:
    if (drawn := chance.random()) < 0.1:
        return chance.choice(_made(bad))
    return chance.choice(_made(bombs if drawn < 0.13 else _photos))


def _photos() -> list[Asked]:
    photos = [jpeg(size, seed) for seed, size in enumerate((THUMBNAIL, THUMBNAIL, WEB, WEB, PHONE))]
    return [Asked("photo", path, photo) for photo in photos for path in (PREDICT, PREDICT, "/v1/upright")]


@lru_cache
def _made(what: Callable[[], list[Asked]]) -> list[Asked]:
    return what()


def _status(url: str, asked: Asked) -> str:
    try:
        with connection(url) as asking:
            asking.request("POST", asked.path, asked.body, dict(asked.headers))
            response = asking.getresponse()
            response.read()
            return str(response.status)
    except (OSError, HTTPException) as error:
        return type(error).__name__


def _reload_until(pid: int, models: Path, until: float) -> None:
    """The highest version of a model that has several comes and goes."""
    several = (sorted(one.glob("[0-9]*")) for one in sorted(models.iterdir()) if one.is_dir())
    newest = next(versions[-1] for versions in several if len(versions) > 1)
    away = newest.with_name(f".away-{newest.name}")
    while monotonic() + _RELOAD_EVERY_S < until:
        newest.rename(away) if newest.exists() else away.rename(newest)
        os.kill(pid, signal.SIGHUP)
        sleep(_RELOAD_EVERY_S)
    if away.exists():
        away.rename(newest)
        os.kill(pid, signal.SIGHUP)


def _samples(pid: int, until: float) -> Iterator[Sample]:
    while monotonic() < until:
        yield _sample(pid)
        sleep(_SAMPLE_EVERY_S)


def _rested(pid: int, rest_s: float) -> Sample:
    sleep(rest_s)
    return _sample(pid)


def _sample(pid: int) -> Sample:
    process = Path(f"/proc/{pid}")
    pages = int((process / "statm").read_text().split()[1])
    resident = pages * os.sysconf("SC_PAGE_SIZE") / _MEBIBYTE
    descriptors, threads = (len(list((process / what).iterdir())) for what in ("fd", "task"))
    return Sample(monotonic(), round(resident, 1), descriptors - len(children(pid)), threads)


if __name__ == "__main__":
    app()
