"""The switches are thrown before a module of a room can import a library; what that does, test_privacy.py sees."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TELLING = re.compile(r"^\s*(?:import|from) (onnxruntime|keras|mlflow|tensorflow)\b", re.MULTILINE)
SHOW = "import os, {room}; print(*(os.environ.get(name) for name in {names!r}))"
NAMES = ("ORT_DISABLE_TELEMETRY", "MLFLOW_DISABLE_TELEMETRY", "KERAS_HOME")


def shown(room: str, **environment: str) -> list[str]:
    known = {name: value for name, value in os.environ.items() if name not in NAMES}
    command = [sys.executable, "-c", SHOW.format(room=room, names=NAMES)]
    return subprocess.run(
        command, cwd=ROOT, env=known | environment, capture_output=True, text=True, check=True
    ).stdout.split()


@pytest.mark.parametrize("room", ["serving", "training"])
def test_a_room_begins_with_it(room):
    assert shown(room) == ["1", "true", os.devnull]


def test_the_load_tests_which_import_no_other_room_throw_their_own():
    assert shown("loadtest")[0] == "1"


def test_an_empty_variable_turns_nothing_on_and_a_persons_folder_stays():
    """ONNX Runtime takes ORT_DISABLE_TELEMETRY= for leave to tell."""
    told = shown("serving", ORT_DISABLE_TELEMETRY="", MLFLOW_DISABLE_TELEMETRY="false", KERAS_HOME="/somewhere")
    assert told == ["1", "true", "/somewhere"]


def test_no_other_room_imports_a_library_that_tells():
    found = {
        str(file.relative_to(ROOT)): TELLING.findall(file.read_text())
        for room in ("models", "loupe")
        for file in (ROOT / room).rglob("*.py")
    }
    assert len(found) > 30
    assert {file for file, names in found.items() if names} == set()
