"""What the event loop does for one photo: counted, and laid at the right door."""

import asyncio
import cProfile
import json
import os
import pstats
import re
import subprocess
import sys
from pathlib import Path

from models.counted import counted
from tests.serving.http.loop_profile import place, shares

ROOT = Path(__file__).parents[3]


def test_files_belong_to_packages_rooms_and_python():
    assert place(asyncio.__file__) == "Python's asyncio"
    assert place(json.__file__) == "Python's json"
    assert place(str(ROOT / "serving/http/app.py")) == "serving/http"
    assert place(sys.modules["typer"].__file__) == "typer"
    assert place("<string>") == ""


def test_what_is_built_in_counts_for_its_caller():
    profile = cProfile.Profile()
    profile.runcall(lambda: [counted(number, "photo") for number in range(100)])
    calls, seconds = shares(pstats.Stats(profile))
    assert calls["models/counted.py"] >= 100
    assert "~" not in calls
    assert seconds["models/counted.py"] > 0


def test_a_short_run(models):
    command = [sys.executable, "-m", "tests.serving.http.loop_profile", "--seconds", "0.5"]
    environment = os.environ | {"LOUPE_MODELS": str(models)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    told = re.match(r"([\d,]+) photos, ([\d,]+) calls each\n", done.stdout)
    assert told, done.stdout + done.stderr
    assert int(told[2].replace(",", "")) > 100
    for room in ("serving/http", "serving/engine", "uvicorn"):
        assert re.search(rf"^{room} +\d+ +\d+%$", done.stdout, re.MULTILINE), done.stdout
