"""Two workers on loopback: one is killed, both go on from the checkpoint, and end with the same weights."""

import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from models.errors import TrainingError
from training.fitting.run_folder import RunFolder
from training.pipeline.worker import check_name

ROOT = Path(__file__).parents[3]
LIMIT_S = 120
EPOCHS = 12
QUICK = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}  # compiling takes longer than these epochs
ALONE = """
import sys
from pathlib import Path
from training.pipeline.beginning import begin
from training.pipeline.pipeline import train
train(begin(Path(sys.argv[1]), [Path(sys.argv[2])], Path(sys.argv[3])), resume=False)
"""


@pytest.fixture(scope="module")
def recipe(workshop, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("recipes") / "bright.toml"
    text = workshop.recipe_text.replace("epochs = 6", f"epochs = {EPOCHS}").replace("batch_size = 2", "batch_size = 40")
    path.write_text(text.replace("patience = 6", f"patience = {EPOCHS}"))
    return path


class Pair:
    """Two machines' commands, each with folders of its own."""

    def __init__(self, folder: Path, recipe: Path, photos: Path) -> None:
        self._folder, self._given = folder, [recipe, photos]
        # What is begun again compiles nothing again.
        kept = {
            "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        }
        self._environment = os.environ | {"COLUMNS": "200"} | QUICK | kept
        self.begun: list[subprocess.Popen[str]] = []
        self.runs = [RunFolder(folder / name / "run") for name in ("zero", "one")]

    def begin(self, *more: str) -> list[subprocess.Popen[str]]:
        port = random.randrange(20_000, 30_000)  # below those that systems give to connections
        command = [Path(sys.executable).with_name("loupe-train"), "train", *self._given, "--workers"]
        together = f"127.0.0.1:{port},127.0.0.1:{port + 1}"
        pair = [
            subprocess.Popen(
                [*command, together, "--worker", str(number), "--run", run.path, *more],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env=self._environment,
            )
            for number, run in enumerate(self.runs)
        ]
        self.begun += pair
        return pair


@pytest.fixture
def pair(recipe, folders, tmp_path):
    pair = Pair(tmp_path, recipe, folders)
    yield pair
    for process in pair.begun:
        process.kill()
        process.communicate()


def test_a_killed_worker_ends_all_and_resumed_they_learn_what_one_process_learns(pair, recipe, folders, tmp_path):
    zero, one = pair.begin()
    _wait(lambda: all(len(run.history()) > 1 for run in pair.runs))
    one.send_signal(signal.SIGKILL)
    said, _ = zero.communicate(timeout=LIMIT_S)
    one.communicate(timeout=LIMIT_S)  # its process that learns has ended with it
    assert zero.returncode == 1
    assert re.search(r"\nerror: worker 1 \(127\.0\.0\.1:\d+\) is gone; start all of them again, with --resume\n$", said)
    assert "Traceback" not in said
    before = pair.runs[0].history()

    told = [process.communicate(timeout=LIMIT_S)[0] for process in pair.begin("--resume")]
    for epoch, again in zip(before, pair.runs[0].history(), strict=False):  # the last one may have been done again
        assert again | {"images_per_s": 0} == pytest.approx(epoch | {"images_per_s": 0})
    assert pair.runs[0].onnx.is_file()
    assert not pair.runs[1].onnx.exists()
    digests = [re.search(rf"worker {number} of 2 has weights (\w{{64}})\n", text) for number, text in enumerate(told)]
    assert digests[0][1] == digests[1][1]
    for number, text in enumerate(told):
        assert re.search(rf"worker {number} of 2 learns on cpu:\d+; the weights lie on cpu:\d+, cpu:\d+\n", text)

    alone = RunFolder(tmp_path / "alone" / "run")
    on_jax = os.environ | QUICK | {"KERAS_BACKEND": "jax"}
    subprocess.run([sys.executable, "-c", ALONE, recipe, folders, alone.path], check=True, env=on_jax, timeout=LIMIT_S)
    last, expected = pair.runs[0].history()[-1], alone.history()[-1]
    assert last["loss"] == pytest.approx(expected["loss"], rel=0.02)
    assert last["val_loss"] == pytest.approx(expected["val_loss"], rel=0.02)
    assert last["val_accuracy"] == pytest.approx(expected["val_accuracy"], abs=1e-6)


def _wait(until) -> None:
    end = time.monotonic() + LIMIT_S
    while not until():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_name_that_leads_back_to_the_machine_is_told(monkeypatch):
    known = {"box": "127.0.1.1", "10.0.0.1": "10.0.0.1", "127.0.0.1": "127.0.0.1"}
    monkeypatch.setattr(socket, "gethostname", lambda: "box")
    monkeypatch.setattr(socket, "gethostbyname", known.__getitem__)
    with pytest.raises(TrainingError, match=r"name, box, leads to 127\.0\.1\.1; let it lead to 10\.0\.0\.1"):
        check_name("10.0.0.1", on_cpu=True)
    check_name("10.0.0.1", on_cpu=False)
    check_name("127.0.0.1", on_cpu=True)
