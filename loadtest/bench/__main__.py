"""``python -m loadtest.bench``: what serving adds to the work that no server can avoid, and where others stand.

Floor, server and peers take turns within one run, all of them on one core and the clients on the others, so that
whatever else the machine does meets all of them. CPU time is the kernel's, of whole process trees.
"""

import json
import os
import platform
import tempfile
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from loadtest.bench import peers
from loadtest.bench.cases import PHOTOS, Case, parts
from loadtest.bench.report import table
from loadtest.bench.session import Figures, Plan, measure
from loadtest.bench.targets import Target, targets

_PARTS = (*parts(), "start", "folders", "peers")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def run(
    rounds: Annotated[int, typer.Option(min=1, help="How often each case is measured; medians count.")] = 3,
    seconds: Annotated[float, typer.Option(min=0.1, help="Of each measurement.")] = 1.5,
    only: Annotated[str, typer.Option(help=f"Some of the parts, with commas: {', '.join(_PARTS)}.")] = "",
    photos: Annotated[str, typer.Option(help=f"Some of the photos: {', '.join(PHOTOS)}.")] = "",
    named: Annotated[
        str, typer.Option("--peers", help=f"Measures these beside Loupe: {', '.join(peers.PEERS)}, or all.")
    ] = "",
    output: Annotated[Path | None, typer.Option(help="File for the figures as JSON.")] = None,
) -> None:
    """Prints CPU milliseconds a photo, their ratios to the floor, latencies, and which targets are met."""
    chosen = _listed(only, _PARTS, "--only") or [part for part in _PARTS if part != "peers"]
    cases = _cases(chosen, named, _listed(photos, tuple(PHOTOS), "--photos"))
    plan = Plan(cases, "start" in chosen, "folders" in chosen, rounds, seconds)
    models = Path(os.environ.get("LOUPE_MODELS", "models"))
    typer.echo(f"{len(plan.cases)} cases, {rounds} rounds: about {plan.expected_s / 60:.0f} minutes", err=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as room:
        figures = measure(plan, models, Path(room))
    found = targets(figures.rows, figures.start, figures.folders)
    took_s = time.monotonic() - started
    if output is not None:
        output.write_text(json.dumps(_document(plan, figures, found, took_s), indent=2) + "\n")
    typer.echo(_told(plan, figures, found))
    typer.echo(f"took {took_s:.0f} s", err=True)


def _cases(chosen: list[str], named: str, photos: list[str]) -> list[Case]:
    cases = [case for part, listed in parts().items() if part in chosen for case in listed]
    everybody = named == "all" or ("peers" in chosen and not named)
    others = list(peers.PEERS) if everybody else _listed(named, tuple(peers.PEERS), "--peers")
    absent = peers.missing(others)
    if absent:
        raise typer.BadParameter(f"no environment of {', '.join(absent)} is there; make bench PEERS=1 makes them")
    if others:
        cases += peers.cases(others)
    return [case for case in dict.fromkeys(cases) if not photos or case.photo in photos]


def _listed(text: str, allowed: tuple[str, ...], option: str) -> list[str]:
    given = [one.strip() for one in text.split(",") if one.strip()]
    unknown = [one for one in given if one not in allowed]
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)} is none of {', '.join(allowed)}", param_hint=option)
    return given


def _told(plan: Plan, figures: Figures, found: list[Target]) -> str:
    told = [table(figures.rows, plan.rounds)] if figures.rows else []
    told += [f"CPU seconds of a folder of {name} photos: {one}" for name, one in figures.folders.items()]
    if figures.start is not None:
        told.append(str(figures.start))
    return "\n".join([*told, *map(str, found), f"{sum(one.met for one in found)} of {len(found)} targets met"])


def _document(plan: Plan, figures: Figures, found: list[Target], took_s: float) -> dict[str, object]:
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cores": len(os.sched_getaffinity(0)), "system": platform.platform()},
        "rounds": plan.rounds,
        "seconds": plan.seconds,
        "took_s": round(took_s, 1),
        "cases": [row.to_json() for row in figures.rows.values()],
        "start": asdict(figures.start) if figures.start else None,
        "folders": figures.folders,
        "targets": [{**asdict(one), "met": one.met} for one in found],
    }


if __name__ == "__main__":
    app()
