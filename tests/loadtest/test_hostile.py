"""Servers and processes that cost minutes, so ``make long`` runs them: files of great cost above all."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from loadtest.costly import CROWDS
from loadtest.hostile import meet

ROOT = Path(__file__).parents[2]


@pytest.mark.long
@pytest.mark.parametrize("name", CROWDS)
def test_others_are_answered_and_the_memory_comes_back(name):
    assert meet(CROWDS[name], rest_s=10)["wrong"] == []


@pytest.mark.long
def test_what_a_process_of_its_own_costs():
    command = [sys.executable, "-m", "loadtest.disposable", "--rounds", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    told = json.loads(done.stdout)
    assert told["starts_cpu_ms"] > 0
    assert 20 < told["resident_mb"] < 64, "what the workshop takes from its budget for each"


@pytest.mark.long
def test_a_commit_against_itself():
    command = [sys.executable, "-m", "loadtest.against", "HEAD", "--rounds", "2", "--seconds", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    told = json.loads(done.stdout)
    assert told["now_ms"] > 1
    assert 0.5 < told["ratio"] < 2
    trees = subprocess.run(["git", "worktree", "list"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "/then " not in trees
