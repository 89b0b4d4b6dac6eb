from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from training.fitting.fit import new_network
from training.fitting.recipe import Export
from training.measuring.evaluation import ask
from training.networks.efficientnet_lite import load_imagenet_weights
from training.pipeline.beginning import begin
from training.pipeline.pipeline import export_run


@pytest.fixture(scope="module")
def photos(crops, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for index, crop in enumerate(crops[:120]):
        crop.save(folder / f"{index:03}.png")
    return folder


@pytest.fixture
def run(workshop, photos, tmp_path):
    """ImageNet's features under a last layer of noise: its answers differ from picture to picture."""
    recipe = workshop.recipe(
        task="orientation",
        decision_threshold=None,
        input={"height": 32, "width": 32, "channels": 3},
        architecture={"name": "efficientnet_lite0"},
    )
    (tmp_path / "recipe.toml").write_text(recipe.to_toml())
    run = begin(tmp_path / "recipe.toml", [photos], tmp_path / "runs/one")
    network = new_network(recipe, run.task, "float32")
    load_imagenet_weights(network)
    network.save_weights(run.folder.best_weights)
    run.folder.write_history([{"val_accuracy": 0.25, "val_loss": 1.4, "images_per_s": 1.0}])
    return run


def test_the_figures_are_those_of_files_exported_so(run, loupe_train):
    result = loupe_train("sizes", run.folder.path, 32, 48, "--split", "train")
    assert result.exit_code == 0, result.output
    rows = [[cell.strip() for cell in line.split("│")] for line in result.output.splitlines() if line.startswith("│")]
    assert [row[1] for row in rows] == ["32 px", "48 px"]
    assert len({cell for row in rows for cell in row[2:5]}) > 1, "all alike would show nothing"
    assert rows[0][2] == exported_accuracy(run, 32, 1)
    assert rows[1][3] == exported_accuracy(run, 48, 2)
    assert all(float(row[5]) > 0 for row in rows)


def exported_accuracy(run, side: int, turns: int) -> str:
    size = run.recipe.input.model_copy(update={"height": side, "width": side})
    recipe = run.recipe.model_copy(update={"input": size, "export": Export(turns=turns)})
    export_run(replace(run, recipe=recipe))
    answers = ask(run.folder.onnx.read_bytes(), size, run.manifest.split("train"), run.task)
    return f"{np.mean(answers.probabilities.argmax(axis=1) == answers.labels):.1%}"


def test_a_network_of_one_size_says_so(trained, loupe_train):
    result = loupe_train("sizes", trained.run.path, 24)
    assert result.exit_code == 1
    assert "selfie_talk takes pictures of one size only" in result.output


def test_without_weights_it_says_what_makes_them(run, loupe_train):
    run.folder.best_weights.unlink()
    result = loupe_train("sizes", run.folder.path, 32)
    assert result.exit_code == 1
    assert "has no weights yet; `loupe-train train` makes them" in result.output


def test_a_split_that_there_is_not_is_a_wrong_command(run, loupe_train):
    result = loupe_train("sizes", run.folder.path, 32, "--split", "validaton")
    assert result.exit_code == 2
    for told in ("validaton", "train", "validation", "calibration", "test"):
        assert f"'{told}'" in result.output


def test_a_split_without_photos_is_told(run, loupe_train):
    left = tuple(photo for photo in run.manifest.photos if photo.split != "calibration")
    replace(run.manifest, photos=left).write(run.folder.manifest)
    result = loupe_train("sizes", run.folder.path, 32, "--split", "calibration")
    assert result.exit_code == 1
    assert "there are no photos to measure on" in result.output
