from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.errors import PromotionError, VersionExistsError
from models.metadata import ModelMetadata
from models.metrics import AgainstFp32
from models.onnx_file import graph_sha256
from models.preprocessing import Preprocessing
from models.repository import ModelRepository, read_metadata
from training.measuring.evaluation import ask, measure
from training.photos.manifest import Manifest
from training.photos.scan import scan
from training.photos.tasks import ORIENTATION
from training.shipping.golden import golden_samples
from training.shipping.promotion import MAX_BYTES, publish
from training.shipping.stamp import restamp, stamp

PREPROCESSING = Preprocessing(height=16, width=16)
GOOD = {"accuracy_change": -0.001, "agreement": 0.995, "time_ratio": 0.5, "provider": "CPUExecutionProvider"}


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    return ModelRepository(tmp_path / "models")


@pytest.fixture(scope="module")
def test_photos(tmp_path_factory: pytest.TempPathFactory, crops: list[Image.Image]) -> Manifest:
    """Twenty real crops whose upper half is clearly the brightest."""
    folder = tmp_path_factory.mktemp("bright_above")
    grey = [np.asarray(crop.convert("L"), dtype=float) for crop in crops]
    clear = np.argsort([pixels[32:].mean() - pixels[:32].mean() for pixels in grey])[:20]
    for index in clear:
        crops[index].save(folder / f"{index}.png")
    return scan([folder], ORIENTATION)


@pytest.fixture(scope="module")
def sky(workshop, test_photos: Manifest) -> Callable[..., bytes]:
    """A measured model that takes the brightest side for the top (or, ``wrong``, for the bottom)."""

    def make(wrong: bool = False, measured_on: Manifest = test_photos, **facts: object) -> bytes:
        weights = np.zeros((16, 16, 3, 4))
        halves = [np.s_[:8, :, :], np.s_[:, 8:, :], np.s_[8:, :, :], np.s_[:, :8, :]]
        for label, half in enumerate(halves):
            weights[(*half, (label + 2) % 4 if wrong else label)] = 40 / 384
        graph = workshop.linear_graph(weights.reshape(-1, 4), (16, 16, 3))
        metadata = ModelMetadata(
            name="orientation",
            version=1,
            labels=ORIENTATION.labels,
            preprocessing=PREPROCESSING,
            graph_sha256=graph_sha256(graph),
            golden_samples=golden_samples(graph, PREPROCESSING),
        )
        answers = ask(graph, PREPROCESSING, measured_on, ORIENTATION)
        metrics = measure(answers, metadata, measured_on.digest(ORIENTATION.label_names))
        return restamp(stamp(graph, metadata.model_copy(update={"metrics": metrics})), **facts)

    return make


def test_versions_count_up_and_are_never_taken_twice(repository, sky, test_photos):
    assert publish(sky(), repository) == repository.path("orientation", 1)
    assert publish(sky(), repository, test=test_photos) == repository.path("orientation", 2)
    assert publish(sky(), repository, 7, test=test_photos) == repository.path("orientation", 7)
    with pytest.raises(VersionExistsError):
        publish(sky(), repository, 7, test=test_photos)


def test_a_worse_model_is_refused_and_a_better_one_taken(repository, sky, test_photos):
    publish(sky(wrong=True), repository)
    publish(sky(), repository, test=test_photos)
    with pytest.raises(PromotionError, match=r"worse than .*2/model.onnx: .* right on 80 images \(difference -"):
        publish(sky(wrong=True), repository, test=test_photos)


def test_force_takes_a_reason_and_writes_it_into_the_model(repository, sky):
    publish(sky(), repository)
    with pytest.raises(PromotionError, match="give the reason"):
        publish(sky(wrong=True), repository, force=" ")
    path = publish(sky(wrong=True), repository, force="the sky fell")
    assert read_metadata(path.read_bytes()).training["published in spite of the checks"] == "the sky fell"
    assert "the sky fell" in path.with_name("MODEL_CARD.md").read_text()


def test_a_standing_version_needs_photos_to_be_compared_on(repository, sky):
    publish(sky(), repository)
    with pytest.raises(PromotionError, match="stands already; give the test photos"):
        publish(sky(), repository)


def test_figures_of_other_photos_do_not_count(repository, sky, test_photos):
    fewer = Manifest(test_photos.folder, test_photos.photos[1:])
    with pytest.raises(PromotionError, match="measured on other photos than the 20 given"):
        publish(sky(measured_on=fewer), repository, test=test_photos)
    with pytest.raises(PromotionError, match="never measured"):
        publish(sky(metrics=None), repository, test=test_photos)


def test_other_labels_cannot_be_compared(repository, sky, test_photos):
    publish(sky(), repository)
    labels = [{"name": name} for name in ("north", "east", "south", "west")]
    names = [label["name"] for label in labels]
    other = sky(labels=labels)
    metrics = read_metadata(other).metrics.model_dump(mode="json") | {"data_sha256": test_photos.digest(names)}
    with pytest.raises(PromotionError, match=r"cannot be compared with .*: the two models have different labels"):
        publish(restamp(other, metrics=metrics), repository, test=test_photos)


def test_wrong_golden_samples_are_refused(repository, sky):
    golden = sky(wrong=True)
    samples = read_metadata(golden).model_dump(mode="json")["golden_samples"]
    with pytest.raises(PromotionError, match=r"golden samples are off by 0\.\d+; 0.001 is allowed"):
        publish(sky(golden_samples=samples), repository)
    with pytest.raises(PromotionError, match="has no golden samples"):
        publish(sky(golden_samples=[]), repository)


def test_a_large_file_is_refused(repository, sky):
    with pytest.raises(PromotionError, match=r"the file has 16\.\d MB; at most 16 are allowed"):
        publish(sky(training={"padding": "x" * MAX_BYTES}), repository)


@pytest.mark.parametrize(
    ("figures", "sentence"),
    [
        ({"accuracy_change": -0.0031}, "int8 loses 0.31% accuracy; 0.3% is allowed"),
        ({"agreement": 0.9899}, "int8 agrees with fp32 on 98.99% of the labels; at least 99% is wanted"),
        ({"time_ratio": 1.0}, "int8 takes 1.00 times as long as fp32 on CPUExecutionProvider"),
        (None, "this int8 model was never compared with its fp32 original"),
    ],
)
def test_a_smaller_copy_must_be_faster_and_no_worse(repository, sky, figures, sentence):
    against = None if figures is None else AgainstFp32(**GOOD | figures).model_dump()
    with pytest.raises(PromotionError, match=sentence):
        publish(sky(precision="int8", against_fp32=against), repository)


def test_a_smaller_copy_that_is_published(repository, sky):
    path = publish(sky(precision="int8", against_fp32=GOOD), repository)
    assert read_metadata(path.read_bytes()).precision == "int8"
    card = path.with_name("MODEL_CARD.md").read_text()
    assert "int8; beside fp32: accuracy -0.10 points, the same label for 99.50 %, 0.50 of its time" in card
