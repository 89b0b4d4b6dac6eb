"""A model from elsewhere is certain of nothing until photos have shown how often it is right."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.errors import TrainingError
from models.metadata import Label, ModelMetadata
from models.onnx_file import graph_sha256, with_properties
from models.preprocessing import Preprocessing
from models.repository import read_metadata
from training.graph.inference import OnnxClassifier
from training.measuring.evaluation import ask, judge
from training.photos.manifest import Manifest
from training.photos.scan import scan
from training.photos.tasks import task_named
from training.shipping.recalibration import answers_needed, recalibrate
from training.shipping.strangers import OWN_THRESHOLDS

SIDE = 8
TASK = task_named("folders", ["bright", "dark"])


def by_brightness(workshop, steepness: float, labels=("bright", "dark")) -> bytes:
    """Right about most crops; the steeper, the surer it is, whether it is right or not."""
    weights = np.full((SIDE * SIDE * 3, 2), steepness / (SIDE * SIDE * 3))
    weights[:, 1] *= -1
    graph = workshop.linear_graph(weights, (SIDE, SIDE, 3), (-0.3 * steepness, 0.0))
    metadata = ModelMetadata(
        name="brightness",
        version=1,
        labels=tuple(Label(name=label) for label in labels),
        preprocessing=Preprocessing(height=SIDE, width=SIDE),
        graph_sha256=graph_sha256(graph),
    )
    return with_properties(graph, metadata.to_properties())


@pytest.fixture(scope="module")
def photos(folders: Path) -> Manifest:
    return scan([folders], task_named("folders"))


@pytest.fixture(scope="module")
def halves(photos) -> tuple[Manifest, Manifest]:
    return photos.halves()


def test_the_halves_hold_each_photo_once_and_each_group_whole(photos, halves):
    first, second = halves
    assert sorted([*first.photos, *second.photos], key=lambda photo: photo.path) == list(photos.photos)
    assert not {photo.group for photo in first.photos} & {photo.group for photo in second.photos}
    assert 40 < len(first.photos) < 80
    assert photos.halves() == halves


def test_what_was_promised_of_other_thresholds_is_not_said_of_the_new_ones(workshop, halves):
    data = by_brightness(workshop, 60)
    promised = {"certain": "of 9 sources", "5-fold over 9 sources": "AUC 0.9", OWN_THRESHOLDS: "AUC 0.9"}
    training = promised | {"architecture": "none to speak of"}
    before = read_metadata(data).model_copy(update={"training": training})
    after = recalibrate(with_properties(data, before.to_properties()), *halves, 0.2).metadata.training
    assert after["architecture"] == "none to speak of"
    assert not promised.keys() & after.keys()


def test_thresholds_keep_the_stated_error_and_figures_are_of_other_photos(workshop, halves):
    data = by_brightness(workshop, 60)
    done = recalibrate(data, *halves, 0.2)
    found = read_metadata(done.data)
    assert found == done.metadata
    assert all(0.5 <= label.certain_from <= 1 for label in found.labels)
    assert done.never_certain == ()
    answers = ask(done.data, found.preprocessing, halves[1], TASK)
    verdicts = judge(answers, found)
    assert found.metrics.images == len(halves[1].photos)
    assert found.metrics.accuracy == pytest.approx(verdicts.right.mean())
    assert found.metrics.certain_share == pytest.approx(verdicts.certain.mean())
    assert verdicts.right[verdicts.certain].mean() >= 0.8
    assert found.metrics.data_sha256 == halves[1].digest(("bright", "dark"))
    assert "at most 20.0% of certain answers are wrong" in found.training["calibrated"]


def test_a_model_that_is_too_sure_becomes_less_sure_and_answers_the_same(workshop, halves):
    data = by_brightness(workshop, 60)
    done = recalibrate(data, *halves, 0.2)
    before = ask(data, Preprocessing(height=SIDE, width=SIDE), halves[1], TASK).probabilities
    after = ask(done.data, Preprocessing(height=SIDE, width=SIDE), halves[1], TASK).probabilities
    assert np.array_equal(before.argmax(axis=1), after.argmax(axis=1))
    assert after.max(axis=1).mean() < before.max(axis=1).mean() - 0.005
    assert float(done.metadata.training["temperature"].split(",")[0]) > 1.2
    twice = recalibrate(done.data, *halves, 0.2)
    assert np.allclose(ask(twice.data, Preprocessing(height=SIDE, width=SIDE), halves[1], TASK).probabilities, after)


def test_too_few_photos_leave_it_certain_of_nothing(workshop, halves):
    assert answers_needed(0.05) == 59
    done = recalibrate(by_brightness(workshop, 60), *halves)
    assert done.never_certain == ("bright", "dark")
    assert done.metrics.certain_share == 0


def test_labels_may_share_a_threshold(workshop, halves):
    done = recalibrate(by_brightness(workshop, 60), *halves, 0.1, together=True)
    first, second = (label.certain_from for label in done.metadata.labels)
    assert first is not None
    assert first == second


def test_golden_samples_are_the_new_file_s(workshop, halves):
    done = recalibrate(by_brightness(workshop, 60), *halves, 0.2)
    assert len(done.metadata.golden_samples) == 4
    assert done.metadata.graph_sha256 == graph_sha256(done.data)
    assert OnnxClassifier(done.data).predict(np.zeros((3, SIDE, SIDE, 3), np.uint8)).shape == (3, 2)


def test_photos_that_do_not_fit_are_told(workshop, halves):
    with pytest.raises(TrainingError, match=r"^the model has no label 'dark'; it has: bright, gloomy$"):
        recalibrate(by_brightness(workshop, 60, ("bright", "gloomy")), *halves)
    none = replace(halves[0], photos=())
    with pytest.raises(TrainingError, match=r"^0 photos to calibrate with and \d+ to measure on; both need some$"):
        recalibrate(by_brightness(workshop, 60), none, halves[1])
