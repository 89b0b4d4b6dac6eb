"""loupe score --engine ray: the rows of one machine, also where actors and the driver are killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import ray

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def cluster(alone):
    with pytest.MonkeyPatch.context() as here:
        for name, value in alone.items():
            here.setenv(name, value)
        context = ray.init(num_cpus=2, include_dashboard=False, object_store_memory=256 * 2**20)
        yield context.address_info["address"]
        ray.shutdown()


def test_a_cluster_that_is_not_there_is_one_sentence(album, models, tmp_path):
    """The first one here: no cluster has begun yet."""
    score = [sys.executable, "-m", "serving.commands.cli", "score", "--engine", "ray"]
    environment = os.environ | {"RAY_ADDRESS": "auto", "LOUPE_MODELS": str(models), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([*score, album, "--out", tmp_path / "out"], env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "loupe: Ray can neither be reached nor begun: Could not find any running Ray instance" in done.stderr
    assert "Traceback" not in done.stderr


def test_its_rows_are_those_of_one_machine(cluster, loupe, album, expected, tmp_path, rows_in):
    loupe("score", album, "--out", tmp_path / "scores", "--engine", "ray")
    assert rows_in(tmp_path / "scores") == expected


def test_a_killed_actor_s_work_is_done_again_and_what_has_its_rows_is_passed_over(
    begun, loupe, album, expected, tmp_path, rows_in
):
    loupe("score", album / "0", "--out", tmp_path / "scores", "--engine", "ray")
    with begun(tmp_path / "scores") as (driver, actor):
        os.kill(actor, signal.SIGKILL)
        assert driver.wait(120) == 0
    assert rows_in(tmp_path / "scores") == expected


def test_a_killed_driver_s_work_is_done_by_the_next(begun, loupe, album, expected, tmp_path, rows_in):
    with begun(tmp_path / "scores") as (driver, _):
        driver.kill()
    loupe("score", album, "--out", tmp_path / "scores", "--engine", "ray")
    assert rows_in(tmp_path / "scores") == expected


@pytest.fixture
def begun(cluster, album, models):
    """Begins a driver of its own; gives it, and the process of an actor that it has begun."""

    @contextmanager
    def begun(out: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
        command = [sys.executable, "-m", "serving.commands.cli", "score", album, "--out", out, "--engine", "ray"]
        environment = os.environ | {"RAY_ADDRESS": cluster, "LOUPE_MODELS": str(models), "PYTHONPATH": str(ROOT)}
        before = _actors()
        with subprocess.Popen(command, env=environment) as driver:
            try:
                yield driver, _new_actor(driver, before)
            finally:
                driver.kill()

    return begun


def _new_actor(driver: subprocess.Popen[bytes], before: set[int]) -> int:
    until = time.monotonic() + 100
    while time.monotonic() < until and driver.poll() is None:
        if new := _actors() - before:
            return new.pop()
        time.sleep(0.05)
    raise AssertionError("no actor was begun")


def _actors() -> set[int]:
    """Processes that hold models, of the namespace of this network, in which there is no other cluster."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            named = b"ScoreBatch" in (process / "cmdline").read_bytes()
            if named and (process / "ns/net").readlink() == Path("/proc/self/ns/net").readlink():
                found.add(int(process.name))
    return found
