"""``loupe predict`` and ``loupe upright`` on folders, against a plain loop: ``python -m loadtest.bench.folders``.

The plain loop decodes scaled, resizes and runs the session, with a thread for each core and nothing else.
"""

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from loadtest.bench.floor import answer
from loadtest.bench.start import LOUPE, command_cpu_s
from loadtest.photos import PHONE, Size, jpeg
from loadtest.work import Work

_DIFFERENT = 4
_FOLDERS: dict[str, tuple[Size, int]] = {"small": ((500, 375), 384), "large": (PHONE, 64)}


def loop(folder: Path, model: Path) -> int:
    """Answers every photo of a folder; returns how many."""
    work = Work(model)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return sum(1 for _ in pool.map(lambda photo: answer([work], photo.read_bytes()), sorted(folder.iterdir())))


def folders(times: int, model: Path, room: Path) -> dict[str, dict[str, float]]:
    """CPU seconds of each command by folder, in medians, and their ratios to the plain loop's.

    Args:
        times: how often each is run, in turns.
        model: the file that the plain loop runs.
        room: folder in which the photos are made.
    """
    return {name: _folder(times, model, _photos(room / name, *made)) for name, made in _FOLDERS.items()}


def _folder(times: int, model: Path, folder: Path) -> dict[str, float]:
    commands = {
        "loop": [sys.executable, "-m", "loadtest.bench.folders", str(folder), str(model)],
        "predict": [*LOUPE, "predict", str(folder), "--model", "orientation", "--json"],
        "upright": [*LOUPE, "upright", str(folder)],
    }
    taken = [{name: command_cpu_s(command) for name, command in commands.items()} for _ in range(times)]
    found = {name: median(one[name] for one in taken) for name in commands}
    ratios = {f"{name}_ratio": found[name] / found["loop"] for name in ("predict", "upright")}
    return {key: round(value, 3) for key, value in (found | ratios).items()}


def _photos(folder: Path, size: Size, count: int) -> Path:
    folder.mkdir()
    made = [jpeg(size, seed) for seed in range(_DIFFERENT)]
    for path, data in zip(_names(folder, count), made * (count // _DIFFERENT), strict=True):
        path.write_bytes(data)
    return folder


def _names(folder: Path, count: int) -> Iterator[Path]:
    return (folder / f"{index:04}.jpg" for index in range(count))


if __name__ == "__main__":
    loop(Path(sys.argv[1]), Path(sys.argv[2]))
