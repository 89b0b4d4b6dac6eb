"""The bench and the overload run as people run them, as short as they can be."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from loadtest.bench import Case, Measurement, summary, table

ROOT = Path(__file__).parents[2]
SIZES = ["640x480", "1600x1200", "4032x3024"]


def run(module: str, models: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", module, *arguments]
    environment = os.environ | {"LOUPE_MODELS": str(models)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_bench_measures_floor_and_server_and_two_models(models, tmp_path):
    file = tmp_path / "bench.json"
    printed = run("loadtest.bench", models, "--rounds", "1", "--seconds", "1", "--output", str(file))
    figures = json.loads(file.read_text())
    measured = {(case["photo"], case["models"], case["clients"]) for case in figures["cases"]}
    assert measured == {
        *((photo, 1, clients) for photo in SIZES for clients in (0, 1, 32)),
        *((SIZES[-1], 2, clients) for clients in (0, 1)),
    }
    assert all(case["cpu_ms"] > 0 and case["images_per_s"] > 0 for case in figures["cases"])
    assert figures["two_models"] < 1.3
    assert "to two models costs" in printed
    assert printed.count("floor") == 5


def test_overload_is_answered_or_refused_and_nothing_else(models):
    told = json.loads(run("loadtest.overload", models, "--duration-s", "2", "--times", "4"))
    figures = told["4 x"]
    assert told["capacity_per_s"] > 0
    assert set(figures["statuses"]) <= {"200", "429"}
    assert figures["statuses"]["200"] > 0
    assert figures["requests"] == sum(figures["statuses"].values())
    assert figures["accepted_ms"]["p99"] > 0
    assert figures["live_ms"]["p99"] > 0


def test_medians_and_ratios():
    floor, one, two = Case("4032x3024", 0), Case("4032x3024", 1), Case("4032x3024", 1, 2)
    both = Case("4032x3024", 0, 2)
    rounds = [
        {floor: Measurement(cpu, 10), both: Measurement(5, 10), one: Measurement(2 * cpu, 5), two: Measurement(10, 5)}
        for cpu in (3.0, 4.0, 100.0)
    ]
    figures = summary(rounds)
    assert figures["two_models"] == pytest.approx(1.25)
    assert [case["ratio"] for case in figures["cases"]] == [1, 1, 2, 2]
    assert "costs 1.25 x one model" in table(figures)
