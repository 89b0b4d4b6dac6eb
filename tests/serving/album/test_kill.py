"""SIGKILL at any moment loses no photo, leaves none half written, and leaves nothing that cannot be undone.

``KILLS=40 python -m pytest tests/serving/album/test_kill.py`` kills more often than the tests do.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from serving.album.memory import FILE
from serving.upright.photo_file import PhotoFile

KILLS = int(os.environ.get("KILLS", "2"))
TURN = {"up": 0, "right": 270, "down": 180, "left": 90}
KINDS = ("JPEG", "PNG", "WEBP", "TIFF")
PHOTOS = 48 * KILLS
BAR = 0.5


def command(models: Path, *arguments: object) -> list[str]:
    return [sys.executable, "-m", "serving.commands.cli", "upright", *map(str, arguments), "--models", str(models)]


def run(models: Path, *arguments: object) -> str:
    done = subprocess.run([*command(models, *arguments), "--json"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr
    return done.stdout


def begin_and_kill(models: Path, tree: Path, chance: random.Random, *arguments: str) -> bool:
    """Kills the command at a random moment after its first write of this run; returns whether it was still at work."""
    before = size(tree)
    with subprocess.Popen(command(models, tree, "--apply", *arguments), stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and size(tree) == before:
            time.sleep(0.001)
        time.sleep(chance.expovariate(1 / 0.05))
        process.send_signal(signal.SIGKILL)
    return process.returncode == -signal.SIGKILL


def size(tree: Path) -> int:
    """Of all logs."""
    return sum(log.stat().st_size for log in tree.glob("loupe-undo-*.jsonl"))


@pytest.fixture(params=["tag", "pixels"])
def method(request) -> str:
    return request.param


def test_a_killed_run_loses_nothing(models, zoo, tmp_path, method):
    chance = random.Random(0)
    tree = tmp_path / "album"
    original, turned = {}, {}
    for number in range(PHOTOS):
        side = list(TURN)[number % 4]
        path = tree / f"{number % 7}" / f"{number:03}.{KINDS[number // 4 % 4].lower()}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(zoo.encode(zoo.lit(side, (64, 48 + number % 5)), KINDS[number // 4 % 4]))
        os.utime(path, ns=(10**18, 10**18 + number))
        photo = PhotoFile.open(path.read_bytes())
        original[path] = photo.data, path.stat().st_mtime_ns
        clockwise = TURN[side]
        turned[path] = (
            photo.data
            if not clockwise
            else (
                photo.retagged(clockwise)
                if method == "tag" and photo.kind != "WEBP"
                else photo.with_pixels(clockwise).data
            )
        )

    kills = found_turned = 0
    while kills < KILLS and begin_and_kill(models, tree, chance, "--method", method):
        kills += 1
        states = [path.read_bytes() for path in original]
        wrong = [
            path
            for path, data in zip(original, states, strict=True)
            if data not in (original[path][0], turned[path]) or path.stat().st_mtime_ns != original[path][1]
        ]
        assert wrong == []
        now_turned = sum(data != original[path][0] for path, data in zip(original, states, strict=True))
        assert now_turned >= found_turned
        found_turned = now_turned
    print(f"{kills} kills with --method {method}; {found_turned} of {PHOTOS} photos were turned by then")  # noqa: T201
    assert kills >= min(KILLS, 2)

    run(models, tree, "--apply", "--method", method)
    assert {path: path.read_bytes() for path in original} == turned
    assert list(tree.rglob(".loupe-*.tmp")) == []
    for log in sorted(tree.glob("loupe-undo-*.jsonl"), reverse=True):
        run(models, "--undo", log)
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in original} == original
    assert (tree / FILE).is_file()
    assert "would_turn" not in run(models, tree)  # what was put back is left alone, whoever was killed in between
