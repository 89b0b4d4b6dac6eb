import re

import numpy as np
import pytest
from PIL import Image

from models.errors import PromotionError, TrainingError
from models.metadata import ModelMetadata
from models.onnx_file import graph_sha256
from models.preprocessing import Preprocessing
from models.repository import ModelRepository, read_metadata
from training.graph.inference import OnnxClassifier
from training.graph.stages import STAGES
from training.measuring.evaluation import ask, judge
from training.photos.manifest import Manifest
from training.photos.scan import scan
from training.photos.tasks import ORIENTATION, SELFIE
from training.shipping.cascading import calibrated_parts, cascaded, shares_told
from training.shipping.promotion import publish
from training.shipping.stamp import stamp
from training.shipping.temperature import UNSCALED, with_scaling
from training.shipping.thresholds import BUDGET, LOST, best_thresholds


def sky(workshop, side: int, strength: float, **facts) -> bytes:
    """A stamped model that takes the brightest side for the top, as sure of it as it is strong."""
    weights = np.zeros((side, side, 3, 4))
    half = side // 2
    for label, place in enumerate((np.s_[:half, :], np.s_[:, half:], np.s_[half:, :], np.s_[:, :half])):
        weights[(*place, slice(None), label)] = strength / (side * side)
    graph = workshop.dense_graph(weights.reshape(-1, 4), (side, side, 3))
    data = with_scaling(graph, UNSCALED, np.zeros((8, side, side, 3), np.uint8))
    known = {
        "name": "orientation",
        "version": 1,
        "labels": ORIENTATION.labels,
        "preprocessing": Preprocessing(height=side, width=side),
        "graph_sha256": graph_sha256(data),
        "precision": "int8",
    }
    return stamp(data, ModelMetadata.model_validate(known | facts))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory, crops: list[Image.Image]) -> Manifest:
    folder = tmp_path_factory.mktemp("upright")
    for index, crop in enumerate(crops):
        crop.save(folder / f"{index}.png")
    return scan([folder], ORIENTATION)


@pytest.fixture(scope="module")
def parts(workshop) -> tuple[bytes, bytes]:
    return sky(workshop, 8, 20, name="orientation-small"), sky(workshop, 16, 40)


def answers_about(sure: list[float], right: list[bool]) -> np.ndarray:
    """Four probabilities each; the true label is 0."""
    rows = np.zeros((len(sure), 4), np.float32)
    for row, top, is_right in zip(rows, sure, right, strict=True):
        row[:] = (1 - top) / 3
        row[0 if is_right else 1] = top
    return rows


def test_the_next_stage_is_asked_where_the_one_before_is_wrong_and_nowhere_else():
    """Of 1,000 pictures the small network has the surest 700 right, the large one 200 of the rest, four turns all."""
    sure = np.linspace(0.99, 0.4, 1000).tolist()
    small = answers_about(sure, [place < 700 for place in range(1000)])
    large = answers_about(sure, [place < 900 for place in range(1000)])
    turned = answers_about(sure, [True] * 1000)
    first, second = best_thresholds([small, large, turned], np.zeros(1000, np.int64))
    asked = small.max(axis=1) < first
    assert asked[700:].mean() >= 1 - LOST
    assert asked.sum() == pytest.approx(300, abs=40)  # thresholds are tried in steps of a thirtieth
    assert (large.max(axis=1) < second).sum() == pytest.approx(100, abs=40)


def test_where_the_small_network_is_never_wrong_nothing_else_is_asked():
    always = answers_about([0.9] * 50, [True] * 50)
    first, _ = best_thresholds([always] * 3, np.zeros(50, np.int64))
    assert not (always.max(axis=1) < first).any()


def test_no_more_is_asked_than_may_be_paid_and_that_where_it_makes_most_answers_certain():
    """Four turns are always right, the small network about its surest half, the large one never more than it."""
    sure = np.linspace(0.99, 0.4, 1000).tolist()
    small = answers_about(sure, [place < 500 or place % 2 == 0 for place in range(1000)])
    turned = answers_about([0.999] * 1000, [True] * 1000)
    first, second = best_thresholds([small, small, turned], np.zeros(1000, np.int64))
    asked, again = small.max(axis=1) < first, small.max(axis=1) < second
    assert 0.8 * BUDGET < asked.mean() + 3 * (asked & again).mean() <= BUDGET
    assert not asked[:500].any()


def test_answers_of_the_parts_are_those_of_the_file(parts, photos):
    calibration = photos.split("calibration")
    made, answers = calibrated_parts(*parts, calibration)
    asked = ask(made.composed(), Preprocessing(height=16, width=16), calibration, ORIENTATION)
    np.testing.assert_allclose(asked.probabilities, answers.probabilities, atol=1e-4)


def test_a_cascade_is_measured_says_what_its_stages_do_and_knows_its_golden_samples(parts, photos):
    data = cascaded(*parts, photos)
    metadata = read_metadata(data)
    test = photos.split("test")
    right = judge(ask(data, metadata.preprocessing, test, ORIENTATION), metadata).right
    assert metadata.metrics.accuracy == pytest.approx(right.mean())
    assert metadata.training["made of"] == "orientation-small/1, then orientation/1, then its four turns"
    assert all(name in metadata.training["answered by"] for name in STAGES)
    assert sum(shares_told(metadata)) == pytest.approx(1, abs=0.002)
    assert metadata.training["time"].startswith("mean ")
    assert re.fullmatch(r"upright\d* \d+\.\d\d", metadata.training["mean time by source"])
    assert metadata.graph_sha256 == graph_sha256(data)
    assert metadata.golden_samples
    assert OnnxClassifier(data).predict(np.zeros((3, 16, 16, 3), np.uint8)).shape == (3, 4)


def test_it_is_published_through_the_gate(parts, photos, tmp_path):
    data, test = cascaded(*parts, photos), photos.split("test")
    repository = ModelRepository(tmp_path)
    with pytest.raises(PromotionError, match="never compared with its fp32 original"):
        publish(parts[1], repository, require_metrics=False)
    assert publish(data, repository, test=test).is_file()


def test_only_orientation_models_with_photos_to_calibrate_on(parts, photos, workshop):
    selfie = sky(workshop, 16, 40)
    selfie = stamp(selfie, read_metadata(selfie).model_copy(update={"labels": SELFIE.labels, "name": "selfie"}))
    with pytest.raises(TrainingError, match="selfie tells no orientation"):
        cascaded(parts[0], selfie, photos)
    with pytest.raises(TrainingError, match="the calibration split is empty"):
        cascaded(*parts, photos.split("test"))


def test_the_speed_of_a_cascade_is_told_by_stage_and_in_the_mean(parts, photos, tmp_path, loupe_train):
    made, large = tmp_path / "cascade.onnx", tmp_path / "large.onnx"
    made.write_bytes(cascaded(*parts, photos))
    large.write_bytes(parts[1])
    told = loupe_train("speed", made, "--reference", large)
    assert told.exit_code == 0, told.output
    rows = [line for line in told.output.splitlines() if "cascade.onnx" in line]
    assert [stage for stage in STAGES if any(f", {stage}" in row for row in rows)] == list(STAGES)
    assert len(rows) == len(STAGES) + 1  # and the mean
