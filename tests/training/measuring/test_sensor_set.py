import json

import numpy as np
import pytest
from PIL import Image

from models.errors import ManifestError, TrainingError
from models.images import Size
from training.measuring.sensor_set import sensor_set
from training.reporting.assessment import assess_on_sensor_set

TURN_AS_STORED = {
    1: None,
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_90,  # counter-clockwise; a viewer turns it clockwise by 90 degrees
    8: Image.Transpose.ROTATE_270,
}
LABELS = {1: "up", 3: "down", 6: "left", 8: "right"}


@pytest.fixture
def sky() -> Image.Image:
    """Bright above and dark below, with grain, so that no two look alike; the test model knows its up."""
    grain = np.random.default_rng(0).normal(0, 5, (96, 128, 3))
    return Image.fromarray((np.linspace(220, 30, 96)[:, None, None] + grain).clip(0, 255).astype(np.uint8))


@pytest.fixture
def camera(tmp_path, sky):
    """Takes the photo with its tag; more of them in a folder below, and files that say nothing."""
    for tag, turn in TURN_AS_STORED.items():
        exif = Image.Exif()
        exif[0x0112] = tag
        (sky.transpose(turn) if turn is not None else sky).save(tmp_path / f"tag{tag}.jpg", exif=exif, quality=95)
    (tmp_path / "more").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 5
    sky.save(tmp_path / "more/mirrored.jpg", exif=exif)
    sky.save(tmp_path / "more/untagged.png")
    return tmp_path


def test_the_tag_is_the_label_and_the_stored_pixels_are_asked_about(camera, sky):
    photos = sensor_set([camera], with_upright=True)
    assert sorted(photos.tags) == [1, 3, 6, 8]
    for photo, tag, label in zip(photos.manifest.photos, photos.tags, photos.labels, strict=True):
        assert photo.label == LABELS[tag] == ("up", "right", "down", "left")[label]
        stored = photos.decode(photo, Size(96, 96))
        assert stored.size == ((96, 128) if tag in (6, 8) else (128, 96))


def test_upright_ones_are_taken_if_asked_for(camera):
    assert sorted(sensor_set([camera]).tags) == [3, 6, 8]


def test_a_folder_without_sideways_photos_is_told(upright_photos):
    with pytest.raises(ManifestError, match="none of 6 photos has an EXIF orientation of 3, 6, 8"):
        sensor_set([upright_photos])


def test_a_model_that_knows_up_is_right_about_all(camera, workshop, tmp_path):
    model = tmp_path / "model.onnx"
    model.write_bytes(workshop.sky_model())
    measured = assess_on_sensor_set(model, sensor_set([camera], with_upright=True))
    assert measured.metrics.accuracy == 1
    assert measured.metrics.images == 4
    assert measured.pictures(0, Size(96, 96)).size in ((96, 128), (128, 96))


def test_a_model_of_other_labels_is_refused(camera, trained):
    with pytest.raises(TrainingError, match="not orientations"):
        assess_on_sensor_set(trained.run.onnx, sensor_set([camera]))


def test_few_photos_are_listed_one_by_one_without_a_percentage(camera, workshop, tmp_path, loupe_train):
    model = tmp_path / "model.onnx"
    model.write_bytes(workshop.sky_model())
    shown = loupe_train("evaluate", model, camera, "--sensor")
    assert shown.exit_code == 0, shown.output
    assert "3 of 3 photos right" in shown.stdout
    assert all(f"tag{tag}.jpg" in shown.stdout for tag in (3, 6, 8))
    refused = loupe_train("evaluate", model, camera, "--sensor", "--json", tmp_path / "figures.json")
    assert refused.exit_code == 1
    assert "would say nothing" in refused.stderr


def test_a_hundred_photos_get_figures(tmp_path, crops, workshop, loupe_train):
    """The crops turned by their tag: the model, which only knows brightness, is right about some."""
    (tmp_path / "camera").mkdir()
    for index, crop in enumerate(crops[:150]):
        exif = Image.Exif()
        exif[0x0112] = (3, 6, 8)[index % 3]
        crop.transpose(TURN_AS_STORED[(3, 6, 8)[index % 3]]).save(tmp_path / f"camera/{index:03}.jpg", exif=exif)
    model, figures = tmp_path / "model.onnx", tmp_path / "figures.json"
    model.write_bytes(workshop.sky_model())
    shown = loupe_train("evaluate", model, tmp_path / "camera", "--sensor", "--json", figures)
    assert shown.exit_code == 0, shown.output
    written = json.loads(figures.read_text())
    assert 100 <= written["images"] <= 150
    assert written["labels"]["up"]["support"] == 0
    assert written["accuracy_interval"][0] <= written["accuracy"] <= written["accuracy_interval"][1]
