"""docs/own-classifier.md keeps its word: every command in it is run, in its order."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from models.repository import ModelRepository, read_metadata
from training.fitting.recipe import Recipe

ROOT = Path(__file__).parents[3]
BLOCKS = re.findall(r"^```sh\n(.*?)^```", (ROOT / "docs/own-classifier.md").read_text(), re.MULTILINE | re.DOTALL)
PROGRAMS = {".venv-dev/bin/loupe-train": "training.commands.cli", ".venv/bin/loupe": "serving.commands.cli"}
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "2", "COLUMNS": "200"}


def with_this_python(script: str) -> str:
    for program, module in PROGRAMS.items():
        script = script.replace(program, f"{sys.executable} -W ignore -m {module}")
    return script


def run(block: str, folder: Path) -> str:
    command = ["bash", "-euo", "pipefail", "-c", with_this_python(block)]
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def write_digits(folder: Path) -> None:
    digits = load_digits()
    for index, (pixels, label) in enumerate(zip(digits.images[::2], digits.target[::2], strict=True)):
        target = folder / str(label) / f"{index:04}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((pixels / 16 * 255).astype(np.uint8)).save(target)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, crops: list[Image.Image]) -> Path:
    """A folder with ``digits`` and, as ``pets``, larger pictures of two kinds: real crops, bright and dark."""
    folder = tmp_path_factory.mktemp("own")
    write_digits(folder / "digits")
    ordered = sorted(crops, key=lambda crop: float(np.asarray(crop).mean()))
    for label, chosen in (("cats", ordered[:50]), ("dogs", ordered[-50:])):
        (folder / "pets" / label).mkdir(parents=True)
        for index, crop in enumerate(chosen):
            crop.resize((96, 96)).save(folder / "pets" / label / f"{index:03}.png")
    return folder


@pytest.fixture(scope="module")
def outputs(folder: Path) -> dict[str, str]:
    """What each block printed, by itself; the server is a test's own."""
    printed = {}
    for block in BLOCKS:
        if "cp runs/digits/recipe.toml" in block:
            train_shorter(folder / "runs/digits/recipe.toml")
        if "loupe serve" not in block:
            printed[block] = run(block, folder)
    return printed


def train_shorter(recipe: Path) -> None:
    """The second model and the search's trials need not be as good as the first."""
    long, short = "epochs = 40", "epochs = 12"
    assert recipe.read_text().count(long) == 1
    recipe.write_text(recipe.read_text().replace(long, short))


def output_of(outputs: dict[str, str], word: str) -> str:
    (found,) = [text for block, text in outputs.items() if word in block]
    return found


def test_ten_folders_of_digits_give_a_published_and_measured_model(outputs, folder):
    assert "published my-models/digits/1/model.onnx" in output_of(outputs, "--task folder digits")
    metadata = read_metadata(ModelRepository(folder / "my-models").path("digits", 1).read_bytes())
    assert metadata.label_names == tuple("0123456789")
    assert metadata.preprocessing.shape == (8, 8, 1)
    assert metadata.metrics.accuracy > 0.93
    assert "fitted on" in metadata.training["temperature"]
    assert "`small_cnn`" in (ROOT / "docs/own-classifier.md").read_text()
    assert Recipe.read(folder / "runs/digits/recipe.toml").architecture.name == "small_cnn"


def test_two_folders_of_photos_get_the_backbone(outputs, folder):
    assert "published my-models/pets/1/model.onnx" in output_of(outputs, "--task folder pets")
    metadata = read_metadata(ModelRepository(folder / "my-models").path("pets").read_bytes())
    assert metadata.label_names == ("cats", "dogs")
    assert metadata.preprocessing.shape == (128, 128, 3)
    assert metadata.metrics.accuracy > 0.7
    assert Recipe.read(folder / "runs/pets/recipe.toml").architecture.weights == "imagenet"


def test_it_answers_on_the_command_line(outputs, folder):
    lines = [line.split() for line in output_of(outputs, "loupe predict").splitlines() if "digits/3/" in line]
    labels = [line[2] for line in lines if line[1] == "digits"]
    assert len(labels) == len(list((folder / "digits/3").iterdir()))
    assert labels.count("3") > 0.9 * len(labels)


def test_it_is_served(outputs, folder):
    (block,) = [block for block in BLOCKS if "loupe serve" in block]
    command = f"exec {with_this_python(block.strip())} --port 0"
    with subprocess.Popen(
        ["bash", "-c", command], cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    ) as one:
        try:
            url = one.stdout.readline().split()[-1]
            picture = min((folder / "digits/7").iterdir()).read_bytes()
            with urlopen(Request(f"{url}/v1/models/digits:predict", picture, {"Content-Type": "image/png"})) as answer:
                assert json.load(answer)["predictions"][0]["label"] == "7"
        finally:
            one.send_signal(signal.SIGTERM)


def test_a_second_model_is_compared_and_published(outputs, folder):
    text = output_of(outputs, "loupe-train compare")
    assert "McNemar's exact test: p = " in text
    assert "published my-models/digits/2/model.onnx" in text


def test_the_search_writes_a_recipe(outputs, folder):
    assert output_of(outputs, "loupe-train search").count("[architecture]") == 1
    assert Recipe.read(folder / "runs/digits-search/best.toml").fit.learning_rate != 1e-3


def test_the_small_copy_is_measured(outputs, folder):
    text = output_of(outputs, "loupe-train quantize")
    assert re.search(r"int8 +│ +\d\d\.\d\d%", text)
    copy = folder / "runs/digits/model.int8.onnx"
    assert copy.stat().st_size < 0.5 * (folder / "runs/digits/model.onnx").stat().st_size
    assert read_metadata(copy.read_bytes()).against_fp32.agreement > 0.97
