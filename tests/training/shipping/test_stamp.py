import datetime
import json
import subprocess

import numpy as np
import onnx
import pytest

from models.errors import InvalidModelError
from models.onnx_file import graph_sha256, read_properties
from models.repository import read_metadata
from training.graph.inference import OnnxClassifier
from training.photos.manifest import Manifest
from training.photos.tasks import ORIENTATION
from training.shipping.stamp import describe, restamp, stamp
from training.shipping.versions import git_revision

HISTORY = [
    {"val_accuracy": 0.5, "val_loss": 0.7, "images_per_s": 100.0},
    {"val_accuracy": 0.75, "val_loss": 0.6, "images_per_s": 300.0},
    {"val_accuracy": 0.75, "val_loss": 0.6, "images_per_s": 200.0},
]


def test_a_run_is_described(workshop, tmp_path):
    recipe = workshop.recipe(
        fit={"epochs": 3}, name="up", description="Which way.", limits="Not for owls.", decision_threshold=None
    )
    data = workshop.sky_model()
    photos = (
        *(workshop.photo(source="flickr8k", licence="unknown", split=split) for split in ("train", "train", "test")),
        workshop.photo(source="mine", licence="CC0", split="validation"),
        workshop.photo(source="elsewhere", licence="unknown"),
    )
    metadata = describe(recipe, ORIENTATION, data, Manifest(tmp_path, photos), HISTORY)
    assert (metadata.name, metadata.description, metadata.version, metadata.metrics) == ("up", "Which way.", 1, None)
    assert metadata.limits == "Not for owls."
    assert metadata.labels == ORIENTATION.labels
    assert metadata.preprocessing == recipe.input
    assert metadata.graph_sha256 == graph_sha256(data)
    assert [(source.name, source.images, source.licence) for source in metadata.sources] == [
        ("elsewhere", 1, "unknown"),
        ("flickr8k", 3, "Flickr8k; research use"),
        ("mine", 1, "CC0"),
    ]
    assert metadata.training["photos"] == "3 train, 1 test, 1 validation"
    assert metadata.training["epochs"] == "3, the best of them number 2"
    assert metadata.training["validation_accuracy"] == "0.7500"
    assert metadata.training["images_per_s"] == "200"
    told = {"name": "up", "description": "Which way.", "limits": "Not for owls."}
    assert type(recipe).model_validate(json.loads(metadata.training["recipe"]) | told) == recipe
    assert metadata.tools["onnx"] == onnx.__version__
    assert set(metadata.tools) == {"keras", "tensorflow", "tf2onnx", "onnx", "onnxruntime", "numpy", "pillow"}
    assert metadata.created == datetime.datetime.now(datetime.UTC).date().isoformat()
    unlearned = describe(recipe, ORIENTATION, data, Manifest(tmp_path, photos), []).training
    assert unlearned["epochs"] == "none: the weights are those that it starts from"


def test_a_stamped_file_answers_as_before(workshop):
    data = workshop.sky_model()
    metadata = read_metadata(data).model_copy(update={"description": "Changed."})
    stamped = stamp(data, metadata)
    assert read_metadata(stamped) == metadata
    assert list(read_properties(stamped)) == ["loupe"]
    pictures = np.random.default_rng(1).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    np.testing.assert_array_equal(OnnxClassifier(stamped).predict(pictures), OnnxClassifier(data).predict(pictures))


def test_restamping_changes_what_is_named_only(workshop):
    data = workshop.sky_model(description="First.", default=False)
    changed = read_metadata(restamp(data, version=7, licence="MIT"))
    assert changed == read_metadata(data).model_copy(update={"version": 7, "licence": "MIT"})


@pytest.mark.parametrize("changes", [{"version": 0}, {"nmae": "x"}, {"name": "Not A Name"}])
def test_a_change_that_is_not_valid_is_refused(workshop, changes):
    with pytest.raises(InvalidModelError, match=f"the model's metadata is wrong at {next(iter(changes))}: "):
        restamp(workshop.sky_model(), **changes)


def test_what_was_never_stamped_is_told(workshop):
    with pytest.raises(InvalidModelError, match="has no metadata under the key `loupe`"):
        restamp(workshop.linear_graph(np.zeros((12, 2)), (2, 2, 3)), version=2)


def test_the_revision_is_the_commit_and_says_if_it_was_changed(tmp_path, monkeypatch):
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    monkeypatch.setattr("training.shipping.versions.__file__", str(tmp_path / "versions.py"))
    assert git_revision() == "unknown"
    git("init", "--quiet")
    (tmp_path / "stamp.py").write_text("one")
    git("add", ".")
    git("commit", "--quiet", "--message", "x")
    git("tag", "v1")
    assert git_revision() == git("rev-parse", "HEAD")[:12]
    (tmp_path / "stamp.py").write_text("two")
    assert git_revision() == git("rev-parse", "HEAD")[:12] + "-dirty"
