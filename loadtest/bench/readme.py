"""``python -m loadtest.bench.readme bench.json README.md``: the bench's figures as a table of that page."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loadtest.bench.cases import FLOOR
from loadtest.pages import put

_SERVERS = {
    "starlette": "a Starlette app of ours: no checks, no limits",
    "loupe": "**Loupe**",
    "fastapi": "a FastAPI app as blogs write it",
    "litserve": "LitServe",
    "bentoml": "BentoML",
    "mlserver": "MLServer",
    "triton": "Triton, by PyTriton",
}


def table(figures: Mapping[str, Any]) -> str:
    """The talk's network, raw bodies: a line for each server.

    Args:
        figures: what ``python -m loadtest.bench --output`` wrote.

    Raises:
        KeyError: a server, a size or a number of clients was not measured.
    """
    found = {
        (case["server"], case["photo"], case["clients"]): case
        for case in figures["cases"]
        if case["network"] == "talk" and case["form"] == "raw"
    }
    small, medium, large = (f"floor {found[FLOOR, photo, 0]['cpu_ms']:.1f}" for photo in ("small", "medium", "large"))
    head = (
        f"| CPU ms a photo | 500 x 375 ({small}): 1 · 8 · 32 clients | p50, p99 ms, 32 "
        f"| 1600 x 1200 ({medium}), 8 | 12 megapixels ({large}), 8 |"
    )
    return "\n".join(
        [head, "|---|---|---|---|---|", *(f"| {_SERVERS[name]} | {_cells(name, found)} |" for name in _SERVERS)]
    )


def _cells(name: str, found: Mapping[tuple[str, str, int], Mapping[str, float]]) -> str:
    small = " · ".join(_cost(found[name, "small", clients]) for clients in (1, 8, 32))
    many = found[name, "small", 32]
    medium, large = (_cost(found[name, photo, 8]) for photo in ("medium", "large"))
    return f"{small} | {many['p50_ms']:.0f}, {many['p99_ms']:.0f} | {medium} | {large}"


def _cost(case: Mapping[str, float]) -> str:
    refused = f", {case['refused']:.0f} refused" if case["refused"] else ""
    return f"{case['cpu_ms']:.1f} ({case['ratio']:.2f}{refused}){'' if case['calm'] else ' *'}"


def main() -> None:
    """Writes the table into the page; the bench must have measured the peers."""
    figures, page = (Path(argument) for argument in sys.argv[1:])
    put(page, "bench", table(json.loads(figures.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
