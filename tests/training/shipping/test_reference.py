from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.drift import stability_index
from models.repository import ModelRepository, read_metadata
from training.photos.manifest import Manifest
from training.photos.scan import scan
from training.photos.tasks import ORIENTATION
from training.shipping.golden import golden_samples
from training.shipping.promotion import publish
from training.shipping.reference import reference_of


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory, crops: list[Image.Image]) -> Manifest:
    folder = tmp_path_factory.mktemp("many")
    for index, crop in enumerate(crops[:240]):
        crop.crop((0, 0, 64, 48)).save(folder / f"{index}.png")
    return scan([folder], ORIENTATION)


@pytest.fixture(scope="module")
def dark(tmp_path_factory: pytest.TempPathFactory, photos: Manifest) -> Manifest:
    folder = tmp_path_factory.mktemp("dark")
    for photo in photos.photos:
        Image.open(photos.file(photo)).point(lambda value: value // 3).save(folder / Path(photo.path).name)
    return scan([folder], ORIENTATION)


def indices(one, other) -> dict[str, float]:
    return {name: stability_index(one.features[name].counts, other.features[name].counts) for name in one.features}


def test_it_counts_what_the_model_answers_and_what_the_photos_are(workshop, photos):
    labels = [label.model_copy(update={"certain_from": 0.6}) for label in ORIENTATION.labels]
    reference = reference_of(workshop.sky_model(labels=labels), photos)
    assert reference.pictures == len(photos.photos) == 240
    assert set(reference.features) == {"probability", "certain", "brightness", "contrast", "size", "aspect"}
    assert {sum(histogram.counts) for histogram in reference.features.values()} == {240}
    aspect = reference.features["aspect"]
    assert aspect.counts[aspect.edges.index(1.3) + 1] == 240  # 64 x 48, whichever way it is turned
    assert reference.features["size"].counts[0] == 240
    probability, certain = reference.features["probability"], reference.features["certain"]
    assert sum(probability.counts[3:]) >= certain.counts[1] >= sum(probability.counts[4:]) > 0


def test_labels_are_counted_where_photos_have_them(workshop, photos):
    model = workshop.sky_model(labels=[{"name": name} for name in ("a", "b", "c", "d")], name="letters")
    told = reference_of(model, photos).features["label"]
    assert (len(told.counts), sum(told.counts)) == (4, 240)


def test_dark_copies_differ_and_halves_do_not(workshop, photos, dark):
    model = workshop.sky_model()
    whole = reference_of(model, photos)
    told = indices(whole, reference_of(model, dark))
    assert told["brightness"] > 1
    assert told["probability"] > 0.25
    assert told["aspect"] == told["size"] == 0
    order = np.random.default_rng(0).permutation(len(photos.photos))[:200]
    part = replace(photos, photos=tuple(photos.photos[index] for index in order))
    assert max(indices(whole, reference_of(model, part)).values()) < 0.1


def test_too_few_photos_tell_nothing(workshop, photos):
    assert reference_of(workshop.sky_model(), replace(photos, photos=photos.photos[:199])) is None


def test_what_is_published_with_its_test_photos_carries_them(workshop, photos, tmp_path):
    data = workshop.sky_model()
    repository = ModelRepository(tmp_path)
    path = publish(data, repository, test=photos, force="it has no golden samples")
    reference = read_metadata(path.read_bytes()).reference
    assert reference == reference_of(data, photos)
    assert "| photos to tell drift by | 240 |" in path.with_name("MODEL_CARD.md").read_text()
    fewer = replace(photos, photos=photos.photos[:9])
    path = publish(path.read_bytes(), repository, test=fewer, force="the same")
    assert read_metadata(path.read_bytes()).reference is None  # not that of other photos


def test_a_published_model_gets_one_without_training(workshop, photos, tmp_path, loupe_train):
    data = workshop.sky_model()
    metadata = read_metadata(data)
    samples = [s.model_dump(mode="json") for s in golden_samples(data, metadata.preprocessing)]
    path = ModelRepository(tmp_path / "models").publish(workshop.sky_model(golden_samples=samples), "")
    result = loupe_train("reference", path, photos.file(photos.photos[0]).parent)
    assert result.exit_code == 0, result.output
    published = (tmp_path / "models/orientation/2/model.onnx").read_bytes()
    assert read_metadata(published).reference.pictures == 240
    assert read_metadata(published).graph_sha256 == metadata.graph_sha256
    result = loupe_train("reference", path, photos.file(photos.photos[0]).parent, "-o", tmp_path / "with.onnx")
    assert read_metadata((tmp_path / "with.onnx").read_bytes()).version == 1
    few = tmp_path / "few"
    few.mkdir()
    Image.new("RGB", (64, 64)).save(few / "one.png")
    result = loupe_train("reference", path, few)
    assert result.exit_code == 1
    assert "it takes 200 photos to tell others by, and 1 were given" in result.output
