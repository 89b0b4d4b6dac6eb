"""The arrows between the rooms: a copy of the code in which each of them is crossed, and every contract says so."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("models", "training", "serving", "loadtest", "loupe")

# One import for each contract that must not stand: where it is put, and what it is.
CROSSINGS = {
    "training and serving meet in models only": ("training/photos/tasks.py", "serving.settings"),
    "models imports no other room and no framework": ("models/images.py", "onnxruntime"),
    "loadtest speaks HTTP only": ("loadtest/photos.py", "models.images"),
    "the client knows HTTP, and none of the other rooms": ("loupe/src/loupe/errors.py", "pydantic"),
    "nobody imports the client": ("loadtest/clients.py", "loupe.client"),
    "nothing imports the talks' examples": ("training/graph/turning.py", "training.examples.line"),
    "the layers of serving": ("serving/engine/batcher.py", "serving.service"),
    "the layers of training": ("training/graph/turning.py", "training.pipeline.pipeline"),
    "only the front doors and what watches them know HTTP": ("serving/versions/labels.py", "fastapi"),
}


def lint(folder: Path) -> str:
    """Runs import-linter as ``make check`` does, in another folder; the client would be found where it is installed."""
    program = Path(sys.executable).with_name("lint-imports")
    environment = os.environ | {"PYTHONPATH": str(folder / "loupe" / "src")}
    done = subprocess.run([program, "--no-cache"], cwd=folder, env=environment, capture_output=True, text=True)
    return done.stdout + done.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            target = tmp_path / file.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_contract_has_a_crossing_here():
    named = re.findall(r'importlinter\.contracts\]\]\nname = "(.+)"', (ROOT / "pyproject.toml").read_text())
    assert set(named) == set(CROSSINGS)


def test_each_contract_notices_its_crossing(copy):
    for file, imported in CROSSINGS.values():
        with (copy / file).open("a") as module:
            module.write(f"\nimport {imported}\n")
    said = lint(copy)
    assert set(re.findall(r"^(.+) BROKEN$", said, re.MULTILINE)) == set(CROSSINGS), said


def test_a_room_that_nobody_gave_a_place_is_noticed(copy):
    """Rooms that know each other though they share a line, and a module in the root."""
    for room in ("serving", "training"):
        (copy / room / "odds_and_ends.py").write_text("")
    with (copy / "serving/http/errors.py").open("a") as module:
        module.write("\nimport serving.grpc.calls\n")
    said = lint(copy)
    assert "serving.http is not allowed to import serving.grpc" in said
    assert "odds_and_ends" in said
    assert set(re.findall(r"^(.+) BROKEN$", said, re.MULTILINE)) == {"the layers of serving", "the layers of training"}
