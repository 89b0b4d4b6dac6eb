from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from models.errors import ManifestError
from models.metadata import Label, ModelMetadata
from models.preprocessing import Preprocessing
from training.measuring.evaluation import Answers, ask, measure
from training.photos.manifest import Manifest
from training.photos.tasks import ORIENTATION, SELFIE

SMALL = Preprocessing(height=16, width=16)


def metadata(labels: tuple[str, ...], **facts) -> ModelMetadata:
    return ModelMetadata(
        name="m",
        version=1,
        labels=tuple(Label(name=label, certain_from=0.7) for label in labels),
        preprocessing=SMALL,
        graph_sha256="0" * 64,
        **facts,
    )


@pytest.fixture
def skies(workshop, tmp_path) -> Manifest:
    """Three photos, brightest at the top; the second only at its right, as if it lay on its side."""
    gradient = np.linspace(250, 5, 60, dtype=np.uint8)
    upright = Image.fromarray(np.repeat(gradient[:, None], 90, axis=1)).convert("RGB")
    lying = upright.transpose(Image.Transpose.ROTATE_270)
    for name, image in (("a", upright), ("b", lying), ("c", upright.resize((400, 200)))):
        image.save(tmp_path / f"{name}.jpg", quality=95)
    photos = tuple(workshop.photo(path=f"{name}.jpg", source="s" if name == "a" else "t", label="") for name in "abc")
    return Manifest(tmp_path, photos)


def test_each_photo_is_asked_in_all_four_turns(workshop, skies):
    answers = ask(workshop.sky_model(), SMALL, skies, ORIENTATION)
    assert answers.probabilities.shape == (12, 4)
    assert answers.labels.tolist() == [0, 1, 2, 3] * 3
    assert answers.sources == ("s",) * 4 + ("t",) * 8
    assert answers.probabilities.argmax(axis=1).tolist() == [0, 1, 2, 3, 1, 2, 3, 0, 0, 1, 2, 3]
    metrics = measure(answers, metadata(ORIENTATION.label_names), "digest")
    assert metrics.images == 12
    assert metrics.accuracy == pytest.approx(8 / 12)
    assert {name: (s.images, s.accuracy) for name, s in metrics.sources.items()} == {"s": (4, 1.0), "t": (8, 0.5)}
    assert metrics.roc_auc is None
    assert metrics.data_sha256 == "digest"


def test_a_photo_is_asked_as_the_service_would_ask(workshop, photographs, tmp_path):
    """Turned by EXIF and then decoded and fitted, it gives the answer of the very pixels."""
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = Image.open(BytesIO(photographs["china"]))
    photo.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "stored.png", exif=exif)
    photo.save(tmp_path / "plain.png")
    manifest = Manifest(tmp_path, tuple(workshop.photo(path=f"{name}.png") for name in ("stored", "plain")))
    answers = ask(workshop.sky_model(), SMALL, manifest, ORIENTATION)
    np.testing.assert_array_equal(answers.probabilities[:4], answers.probabilities[4:])


def test_a_folder_s_photos_are_asked_once(workshop, skies):
    named = replace(
        skies,
        photos=tuple(replace(photo, label=("selfie", "not_selfie")[i % 2]) for i, photo in enumerate(skies.photos)),
    )
    answers = ask(workshop.sky_model(), SMALL, named, SELFIE)
    assert answers.labels.tolist() == [1, 0, 1]
    assert len(answers.probabilities) == 3


def test_a_photo_that_went_is_named(workshop, skies):
    (skies.folder / "b.jpg").unlink()
    with pytest.raises(ManifestError, match=r"^b\.jpg cannot be used any more: No such file"):
        ask(workshop.sky_model(), SMALL, skies, ORIENTATION)


def test_the_figures_are_those_counted_by_hand():
    """Eight answers of a model of three labels: true 0 0 0 1 1 2 2 2, answered 0 0 1 1 1 2 0 2."""
    answered = [0, 0, 1, 1, 1, 2, 0, 2]
    surest = [0.9, 0.6, 0.5, 0.8, 0.7, 0.6, 0.75, 0.71]
    rows = [[p if k == a else (1 - p) / 2 for k in range(3)] for a, p in zip(answered, surest, strict=True)]
    answers = Answers(np.array(rows, np.float32), np.array([0, 0, 0, 1, 1, 2, 2, 2]), tuple("aaaabbbb"))
    metrics = measure(answers, metadata(("x", "y", "z")), "d")
    assert metrics.accuracy == 6 / 8
    assert metrics.confusion_matrix == ((2, 1, 0), (0, 2, 0), (1, 0, 2))
    assert metrics.labels["x"].model_dump() == pytest.approx({"precision": 2 / 3, "recall": 2 / 3, "support": 3})
    assert metrics.labels["y"].model_dump() == pytest.approx({"precision": 2 / 3, "recall": 1.0, "support": 2})
    assert metrics.labels["z"].model_dump() == pytest.approx({"precision": 1.0, "recall": 2 / 3, "support": 3})
    assert metrics.certain_share == 4 / 8, "0.9, 0.8, 0.75 and 0.71 reach 0.7; float32's 0.7 does not"
    assert metrics.certain_accuracy == 3 / 4
    assert {name: s.accuracy for name, s in metrics.sources.items()} == {"a": 3 / 4, "b": 3 / 4}
    assert metrics.roc_auc is None


def test_two_labels_follow_the_threshold_and_have_an_area():
    """Of the 2 x 3 pairs of a negative and a positive, 5 are in the right order."""
    second = np.array([0.1, 0.45, 0.3, 0.6, 0.9], np.float32)
    answers = Answers(np.stack([1 - second, second], axis=1), np.array([0, 0, 1, 1, 1]), ("s",) * 5)
    likeliest = measure(answers, metadata(("no", "yes")), "d")
    assert likeliest.roc_auc == pytest.approx(5 / 6)
    assert likeliest.confusion_matrix == ((2, 0), (1, 2))
    lower = measure(answers, metadata(("no", "yes"), decision_threshold=0.2), "d")
    assert lower.roc_auc == likeliest.roc_auc
    assert lower.confusion_matrix == ((1, 1), (0, 3))
    assert lower.labels["yes"].recall == 1.0


def test_a_label_that_never_occurs_counts_as_nothing():
    answers = Answers(np.array([[0.9, 0.1]] * 3, np.float32), np.zeros(3, int), ("s",) * 3)
    metrics = measure(answers, metadata(("no", "yes")), "d")
    assert metrics.roc_auc is None
    assert metrics.labels["yes"].model_dump() == {"precision": 0, "recall": 0, "support": 0}
    assert metrics.confusion_matrix == ((3, 0), (0, 0))


def test_where_nothing_is_certain_there_is_no_accuracy_of_it():
    answers = Answers(np.array([[0.6, 0.4]] * 3, np.float32), np.zeros(3, int), ("s",) * 3)
    metrics = measure(answers, metadata(("no", "yes")), "d")
    assert (metrics.certain_share, metrics.certain_accuracy) == (0, None)
