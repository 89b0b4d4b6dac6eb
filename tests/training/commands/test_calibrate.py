"""``import`` and ``calibrate``, as people run them: in a process of their own, on a classifier from elsewhere."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.repository import ModelRepository, read_metadata

OPTIONS = ("--labels", "bright,dark", "--size", "8", "--mean", "0,0,0", "--std", "1,1,1")

# Whatever imports one of these fails: they take many seconds, and print lines of their own.
WITHOUT_KERAS = """
import sys
sys.modules.update(dict.fromkeys(("tensorflow", "keras", "tf2onnx"), None))
from training.commands.cli import app
for line in sys.stdin.read().splitlines():
    app(line.split(), standalone_mode=False)
"""


@pytest.fixture
def foreign(tmp_path) -> Path:
    """Float32 in, NCHW, logits out: a crop's brightness, far too surely told."""
    weights = np.tile(np.array([[60.0, -60.0]], np.float32) / 192, (192, 1))
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "w"], ["products"]),
        helper.make_node("Add", ["products", "b"], ["y"]),
    ]
    constants = [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(np.array([-18, 0], np.float32), "b")]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 8, 8])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2])]
    graph = helper.make_graph(nodes, "foreign", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path = tmp_path / "foreign.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def run(*lines: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_KERAS], input="\n".join(lines), capture_output=True, text=True, timeout=300
    )


def test_what_needs_no_training_needs_no_keras_and_prints_nothing_else(foreign, folders, tmp_path):
    models = tmp_path / "models"
    published = models / "light/1/model.onnx"
    done = run(
        f"import {foreign} --name light {' '.join(OPTIONS)} --models {models}",
        f"calibrate {published} {folders} --error 0.2",
        f"evaluate {published} {folders}",
        f"compare {published} {models}/light/2/model.onnx {folders}",
        f"manifest {folders} -o {tmp_path}/light.csv",
        f"speed {published} --reference {published}",
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert f"published {published}; it is certain of nothing until" in done.stdout
    assert f"published {models}/light/2/model.onnx" in done.stdout


def test_an_imported_model_is_certain_of_nothing_until_it_is_calibrated(foreign, folders, tmp_path, loupe_train):
    models = tmp_path / "models"
    loupe_train("import", foreign, "--name", "light", *OPTIONS, "--models", models)
    repository = ModelRepository(models)
    imported = read_metadata(repository.path("light").read_bytes())
    assert not imported.decide(np.array([1.0, 0.0], np.float32)).certain
    result = loupe_train("calibrate", repository.path("light"), folders, "--error", "0.2")
    assert result.exit_code == 0, result.output
    calibrated = read_metadata(repository.path("light").read_bytes())
    assert (calibrated.version, calibrated.name) == (2, "light")
    assert calibrated.decide(np.array([1.0, 0.0], np.float32)).certain
    assert calibrated.metrics.images < 120
    card = repository.path("light").with_name("MODEL_CARD.md").read_text()
    assert "## Measured on the file, on photos of whoever calibrated it" in card
    assert "never saw" not in card


def test_too_few_photos_are_told(foreign, folders, tmp_path, loupe_train):
    models = tmp_path / "models"
    loupe_train("import", foreign, "--name", "light", *OPTIONS, "--models", models)
    result = loupe_train("calibrate", models / "light/1/model.onnx", folders)
    assert result.exit_code == 0, result.output
    assert "never certain: bright, dark. It takes 59 answers of a label, all right" in result.output


def test_a_manifest_s_own_splits_are_used(foreign, folders, tmp_path, loupe_train):
    listed, models = tmp_path / "light.csv", tmp_path / "models"
    loupe_train("manifest", folders, "-o", listed)
    loupe_train("import", foreign, "--name", "light", *OPTIONS, "--models", models)
    result = loupe_train("calibrate", models / "light/1/model.onnx", listed, "--error", "0.2")
    assert result.exit_code == 0, result.output
    metrics = read_metadata((models / "light/2/model.onnx").read_bytes()).metrics
    assert metrics.images == listed.read_text().count(",test,")


def test_a_file_outside_of_a_repository_needs_to_be_told_one(foreign, folders, tmp_path, loupe_train):
    models, alone = tmp_path / "models", tmp_path / "alone.onnx"
    loupe_train("import", foreign, "--name", "light", *OPTIONS, "--models", models)
    alone.write_bytes((models / "light/1/model.onnx").read_bytes())
    result = loupe_train("calibrate", alone, folders)
    assert result.exit_code == 1
    assert result.stderr == f"error: {alone} lies in no repository; name the one to publish to with --models\n"
    assert loupe_train("calibrate", alone, folders, "--models", tmp_path / "other").exit_code == 0
    assert ModelRepository(tmp_path / "other").list() == {"light": (1,)}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("train", "--task", "folder", "none"), "error: there is no folder none\n"),
        (("train", "none.toml", "none"), "error: there is no recipe none.toml\n"),
        (("train", "none"), "error: give a recipe and its photos, or --task folder"),
        (("export", "none"), "error: none is not a run folder"),
        (("search", "none.toml", "none"), "error: there is no recipe none.toml\n"),
    ],
)
def test_what_is_not_there_is_told_before_keras_is_imported(arguments, sentence, tmp_path):
    code = WITHOUT_KERAS.replace("standalone_mode=False", "standalone_mode=True")
    done = subprocess.run(
        [sys.executable, "-c", code], input=" ".join(arguments), capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 1
    assert done.stderr.startswith(sentence)
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_keras_is_imported_without_a_word_but_of_a_backend_that_exports_nothing():
    code = "from training.networks.backend import import_keras as it; it(); import keras; print(keras.config.backend())"
    environment = os.environ | {"KERAS_BACKEND": "jax"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, env=environment)
    assert (done.returncode, done.stdout) == (0, "tensorflow\n")
    assert done.stderr == "KERAS_BACKEND=jax is not heeded: models are exported by tensorflow\n"


def test_why_an_import_fails_is_not_hidden(tmp_path):
    (tmp_path / "keras.py").write_text("import os\nos.write(2, b'no such library\\n')\nraise ImportError('broken')\n")
    code = "from training.networks.backend import import_keras; import_keras()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": f"{tmp_path}:{Path.cwd()}"}
    )
    assert "no such library\n" in done.stderr
    assert "ImportError: broken" in done.stderr
