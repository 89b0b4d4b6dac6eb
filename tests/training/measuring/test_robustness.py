import numpy as np
import pytest
from PIL import Image

from models.repository import read_metadata
from training.measuring.evaluation import ask, measure
from training.measuring.robustness import CONDITIONS, add_noise, compress, crop, fade, grey, shrink, with_conditions
from training.photos.scan import scan
from training.photos.tasks import ORIENTATION


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image, np.float64)


@pytest.mark.parametrize("name", CONDITIONS)
def test_damage_is_visible_repeatable_and_leaves_the_original_alone(photograph, name):
    before = pixels(photograph).copy()
    damaged = CONDITIONS[name](photograph)
    assert damaged.mode == "RGB"
    assert damaged == CONDITIONS[name](photograph)
    assert (pixels(photograph) == before).all()
    assert damaged.size != photograph.size or np.abs(pixels(damaged) - before).mean() > 2


@pytest.mark.parametrize("name", CONDITIONS)
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (2, 300)])
def test_even_the_smallest_picture_survives(photograph, name, size):
    damaged = CONDITIONS[name](photograph.resize(size))
    assert min(damaged.size) >= 1


def test_each_does_what_its_name_says(photograph):
    assert crop(photograph).size == pytest.approx((512 * 0.5**0.5,) * 2, abs=1)
    assert (np.ptp(pixels(grey(photograph)), axis=2) == 0).all()
    noise = pixels(add_noise(Image.new("RGB", (200, 200), (128, 128, 128)))) - 128
    assert noise.std() == pytest.approx(20, rel=0.02)
    assert pixels(fade(photograph)).min() >= 58, "no black is left"
    assert pixels(fade(photograph)).std() < 0.7 * pixels(photograph).std()
    assert np.abs(np.diff(pixels(shrink(photograph)))).mean() < np.abs(np.diff(pixels(photograph))).mean()
    assert (
        np.abs(pixels(compress(photograph, 30)) - pixels(photograph)).mean()
        > np.abs(pixels(compress(photograph, 95)) - pixels(photograph)).mean()
    )


def test_noise_differs_from_picture_to_picture():
    dark, bright = (Image.new("RGB", (50, 50), (level,) * 3) for level in (100, 150))
    assert not np.array_equal(pixels(add_noise(dark)) - 100, pixels(add_noise(bright)) - 150)


def test_the_table_tells_each_condition(workshop, upright_photos):
    data = workshop.sky_model()
    metadata, manifest = read_metadata(data), scan([upright_photos], ORIENTATION)
    answers = ask(data, metadata.preprocessing, manifest, ORIENTATION)
    plain = measure(answers, metadata, "d")
    damaged = with_conditions(plain, data, metadata, manifest)
    assert damaged.conditions.keys() == CONDITIONS.keys()
    assert damaged.model_copy(update={"conditions": {}}) == plain
    assert all(condition.roc_auc is None for condition in damaged.conditions.values()), "there are four labels"
    assert damaged.conditions["grey"].accuracy == pytest.approx(plain.accuracy, abs=0.2), "it looks at brightness"
