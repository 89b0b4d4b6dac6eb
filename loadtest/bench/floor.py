"""``python -m loadtest.bench.floor``: what a photo costs without a server: decode, resize and session in turn.

Reads orders from stdin, a JSON document a line, such as ``{"photo": "photo.jpg", "models": ["model.onnx"],
"seconds": 1}``, and answers each with one such as ``{"images": 245, "median_ms": 4.1}``. With ``"tensor": true`` the
picture is made ready once, and only the session is run.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from loadtest.work import Work, scaled

_model = lru_cache(maxsize=None)(Work)


def answer(models: Sequence[Work], photo: bytes) -> None:
    """One photo to each model, decoded once."""
    image = scaled(photo, (max(one.size[0] for one in models), max(one.size[1] for one in models)))
    for model in models:
        model.run(model.pixels(image))


def run(order: Mapping[str, Any]) -> dict[str, float]:
    """Answers one photo again and again for so many seconds."""
    models, photo = [_model(Path(path)) for path in order["models"]], Path(order["photo"]).read_bytes()
    once: Callable[[], object] = partial(answer, models, photo)
    if order.get("tensor"):
        once = partial(models[0].run, models[0].pixels(scaled(photo, models[0].size)))
    taken = _again(once, float(order["seconds"]))
    return {"images": len(taken), "median_ms": 1000 * median(taken)}


def _again(once: Callable[[], object], seconds: float) -> list[float]:
    taken, until = list[float](), perf_counter() + seconds
    while not taken or perf_counter() < until:
        started = perf_counter()
        once()
        taken.append(perf_counter() - started)
    return taken


def main() -> None:
    """Obeys orders until stdin ends."""
    for line in sys.stdin:
        sys.stdout.write(json.dumps(run(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
