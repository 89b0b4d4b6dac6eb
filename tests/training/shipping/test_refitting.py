from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.errors import TrainingError
from models.metadata import Label, ModelMetadata
from models.onnx_file import graph_sha256
from models.preprocessing import Preprocessing
from models.repository import read_metadata
from training.measuring.evaluation import Answers, ask, judge
from training.photos.folds import joined
from training.photos.manifest import Manifest
from training.photos.scan import scan
from training.photos.tasks import task_named
from training.shipping.deciding import FALSE_ALARMS, threshold_for
from training.shipping.refitting import Refitted, refitted
from training.shipping.stamp import stamp
from training.shipping.strangers import OWN_THRESHOLDS, told
from training.shipping.temperature import UNSCALED, with_scaling

LABELS = ["bright", "dark"]
TASK = task_named("folders", LABELS)
PREPROCESSING = Preprocessing(height=8, width=8, channels=1)


@pytest.fixture(scope="module")
def useless(workshop) -> bytes:
    """A stamped model whose last layer knows nothing."""
    data = with_scaling(workshop.dense_graph(np.zeros((64, 2)), (8, 8, 1)), UNSCALED, np.zeros((8, 8, 8, 1), np.uint8))
    metadata = ModelMetadata(
        name="brightness",
        version=3,
        labels=[Label(name=name) for name in LABELS],
        preprocessing=PREPROCESSING,
        decision_threshold=0.5,
        graph_sha256=graph_sha256(data),
    )
    return stamp(data, metadata)


@pytest.fixture(scope="module")
def photos(folders: Path, crops, tmp_path_factory) -> Manifest:
    """The photos that it might have learned from, and ten albums of others."""
    root = tmp_path_factory.mktemp("albums")
    ordered = sorted(crops, key=lambda crop: float(np.asarray(crop).mean()))
    lines = ["file,source,cluster"]
    for label, chosen in (("dark", ordered[60:110]), ("bright", ordered[-110:-60])):
        (root / label).mkdir()
        for index, crop in enumerate(chosen):
            crop.save(root / label / f"{index}.png")
            lines.append(f"{label}/{index}.png,album{index % 10},album{index % 10}")
    (root / "manifest.csv").write_text("\n".join(lines))
    return joined(scan([folders], TASK), [root], TASK)


@pytest.fixture(scope="module")
def found(useless, photos) -> Refitted:
    return refitted(useless, photos, frozenset(f"album{n}" for n in range(10)), 5, limits="Bright or dark.")


def test_the_new_last_layer_knows_what_the_old_one_did_not(found, useless, photos):
    test = photos.split("test")
    before, after = (
        judge(ask(data, PREPROCESSING, test, TASK), read_metadata(data)).right.mean() for data in (useless, found.data)
    )
    assert before < 0.7
    assert after > 0.9
    assert found.metadata.metrics.accuracy == pytest.approx(after)


def test_strangers_are_answered_by_models_that_never_saw_them(found, photos):
    fresh = [photo for photo in photos.photos if photo.source.startswith("album")]
    assert sorted(found.strangers.sources) == sorted(photo.source for photo in fresh)
    file = ask(found.data, PREPROCESSING, Manifest(photos.folder, tuple(fresh)), TASK).probabilities
    difference = np.abs(file - found.strangers.probabilities).max()
    assert 1e-4 < difference < 0.5  # another model's answers, of much the same kind


def test_the_card_says_what_it_is_and_what_it_promises(found):
    facts = found.metadata.training
    assert facts["made of"] == "brightness/3, its last layer learned anew"
    assert "of 10 sources" in facts["certain"]
    assert "AUC" in facts["5-fold over 10 sources"]
    assert "worst tenth" in facts["5-fold over 10 sources"]
    assert "photos of sources that were strange to who answered" in facts["temperature"]
    assert found.metadata.limits == "Bright or dark."
    assert found.metadata.decision_threshold != 0.5
    assert found.metadata.graph_sha256 == graph_sha256(found.data)


def test_what_strangers_may_expect_is_judged_by_thresholds_of_the_other_folds(found, photos):
    """The file's own were chosen on the very answers: they are told too, under a name that says so."""
    facts, fresh = found.metadata.training, frozenset(f"album{n}" for n in range(10))
    assert facts["5-fold over 10 sources"] != facts[OWN_THRESHOLDS]
    own = judge(found.strangers, found.metadata)
    assert facts[OWN_THRESHOLDS] == told(found.strangers, own, LABELS)
    again = refitted(found.data, photos, fresh, 2).metadata.training
    assert "2-fold over 10 sources" in again
    assert "5-fold over 10 sources" not in again  # by thresholds that the file has no more


def test_near_duplicates_of_what_is_asked_about_are_not_learned_from(useless, crops, folders, tmp_path):
    """Two albums hold the same photos, one of them with the wrong labels: neither may tell anything about the other."""
    lines = ["file,source,label"]
    for index, crop in enumerate(crops[::4]):
        for album, label in (("ann", LABELS[index % 2]), ("bob", LABELS[1 - index % 2])):
            crop.save(tmp_path / f"{album}{index}.png")
            lines.append(f"{album}{index}.png,{album},{label}")
    (tmp_path / "manifest.csv").write_text("\n".join(lines))
    both = joined(scan([folders], TASK), [tmp_path], TASK)
    said = refitted(useless, both, frozenset({"ann", "bob"}), 2).strangers
    ann, bob = (said.probabilities[np.array(said.sources) == album] for album in ("ann", "bob"))
    assert len(ann) > 30
    np.testing.assert_allclose(ann, bob, atol=1e-6)


def test_the_threshold_keeps_false_alarms_where_they_were_stated():
    second = np.concatenate([np.linspace(0, 0.8, 100), np.full(20, 0.9)]).astype(np.float32)
    labels = np.array([0] * 100 + [1] * 20)
    threshold = threshold_for(Answers(np.stack([1 - second, second], axis=1), labels, ("s",) * 120))
    assert np.mean(second[:100] >= threshold) == pytest.approx(FALSE_ALARMS)


def test_the_command_writes_model_and_manifest(useless, photos, folders, tmp_path, loupe_train):
    model, manifest = tmp_path / "old.onnx", tmp_path / "old.csv"
    model.write_bytes(useless)
    scan([folders], TASK).write(manifest)
    root = Path(photos.photos[-1].path).parents[1]
    arguments = ["refit", model, manifest, "--with", root, "--output", tmp_path / "new.onnx", "--folds", 2]
    result = loupe_train(*arguments, "--publish", "--models", tmp_path / "models")
    assert result.exit_code == 0, result.output
    assert read_metadata((tmp_path / "models/brightness/1/model.onnx").read_bytes()).training["made of"]
    assert len(Manifest.read(tmp_path / "new.csv").photos) == len(photos.photos)
    again = loupe_train("refit", tmp_path / "none.onnx", manifest, "--with", root)
    assert again.exit_code == 1
    assert "there is no model" in again.output
    before = manifest.read_bytes()
    over = loupe_train("refit", model, manifest, "--with", root, "--output", tmp_path / "old.onnx")
    assert "would be replaced by all photos" in " ".join(over.output.split())
    assert (manifest.read_bytes(), model.read_bytes()) == (before, useless)


def test_photos_of_other_labels_are_told(useless, photos):
    strange = replace(photos, photos=(*photos.photos[:-1], replace(photos.photos[-1], label="dusk")))
    with pytest.raises(TrainingError, match=r"^the model has no label 'dusk'; it has: bright, dark$"):
        refitted(useless, strange, frozenset(), 5)
