import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from training.photos.augmentation import Augmentation

ALL = Augmentation(
    from_size=64,
    mirror=True,
    min_area=0.5,
    max_stretch=0.5,
    tilt=5,
    colour=0.3,
    grey=0.5,
    blur=0.5,
    noise=0.5,
    jpeg=0.5,
)
share = st.floats(0, 1)
augmentations = st.builds(
    Augmentation,
    mirror=st.booleans(),
    min_area=st.floats(0, 1, exclude_min=True),
    max_stretch=share,
    tilt=st.floats(0, 15),
    colour=st.floats(0, 1, exclude_max=True),
    grey=share,
    blur=share,
    noise=share,
    jpeg=share,
)


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def crop(photograph) -> np.ndarray:
    return np.asarray(photograph.crop((180, 60, 244, 124)))


@pytest.mark.parametrize("shape", [(64, 64, 3), (64, 64, 1)])
def test_all_zero_changes_nothing(crop, shape):
    pixels = crop[..., : shape[2]]
    for seed in range(5):
        np.testing.assert_array_equal(Augmentation().apply(pixels, shape, rng(seed)).pixels, pixels)


@given(augmentations, st.integers(0, 2**32), st.sampled_from([1, 3]), st.tuples(*[st.integers(1, 24)] * 4))
def test_any_change_gives_the_shape_that_the_network_takes(augmentation, seed, channels, sides):
    pixels = rng(seed).integers(0, 256, (*sides[:2], channels), dtype=np.uint8)
    changed = augmentation.apply(pixels, (*sides[2:], channels), rng(seed)).pixels
    assert (changed.shape, changed.dtype) == ((*sides[2:], channels), np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_same_draw_gives_the_same_picture(crop, channels):
    pixels = crop[..., :channels]
    shape = (48, 48, channels)
    first = [ALL.apply(pixels, shape, rng(seed)).pixels for seed in range(8)]
    again = [ALL.apply(pixels, shape, rng(seed)).pixels for seed in range(8)]
    np.testing.assert_array_equal(first, again)
    assert len({picture.tobytes() for picture in first}) == 8


def test_the_given_picture_stays_as_it_is(crop):
    pixels = crop.copy()
    for seed in range(5):
        ALL.apply(pixels, (64, 64, 3), rng(seed))
    np.testing.assert_array_equal(pixels, crop)


def test_half_of_the_pictures_are_mirrored(crop):
    changed = [Augmentation(mirror=True).apply(crop, crop.shape, rng(seed)).pixels for seed in range(200)]
    mirrored = sum(np.array_equal(picture, crop[:, ::-1]) for picture in changed)
    assert mirrored + sum(np.array_equal(picture, crop) for picture in changed) == 200
    assert 60 < mirrored < 140


def test_a_crop_shows_as_much_as_it_should():
    """A picture whose columns and rows count up: what a crop shows tells its corners."""
    side = 200
    ramp = np.stack([*np.meshgrid(np.arange(side), np.arange(side)), np.zeros((side, side))], axis=2).astype(np.uint8)
    areas, aspects = [], []
    for seed in range(300):
        crop = Augmentation(min_area=0.5, max_stretch=0.4).apply(ramp, ramp.shape, rng(seed)).pixels.astype(float)
        width, height = crop[0, -1, 0] - crop[0, 0, 0], crop[-1, 0, 1] - crop[0, 0, 1]
        areas.append(width * height / side**2)
        aspects.append(width / height)
    assert 0.45 < min(areas) < 0.6
    assert 0.85 < max(areas) <= 1
    assert np.exp(-0.45) < min(aspects) < 0.75
    assert 1.3 < max(aspects) < np.exp(0.45)


def test_grey_has_three_equal_channels(crop):
    grey = Augmentation(grey=1).apply(crop, crop.shape, rng()).pixels
    assert (grey == grey[..., :1]).all()
    assert np.ptp(grey) > 100


def test_noise_blur_jpeg_and_colour_do_what_they_say(crop):
    def roughness(pixels: np.ndarray) -> float:
        return float(np.abs(np.diff(pixels.astype(float), axis=0)).mean())

    def change(augmentation: Augmentation) -> tuple[float, float]:
        changed = [augmentation.apply(crop, crop.shape, rng(seed)).pixels for seed in range(10)]
        return (
            float(np.mean([roughness(picture) for picture in changed]) - roughness(crop)),
            float(np.mean([np.abs(picture.astype(float) - crop).mean() for picture in changed])),
        )

    assert change(Augmentation(noise=1))[0] > 1
    assert change(Augmentation(blur=1))[0] < -0.5
    assert 0 < change(Augmentation(jpeg=1))[1] < 12
    assert 3 < change(Augmentation(colour=0.5))[1] < 60


@pytest.mark.parametrize("wrong", [{"min_area": 0}, {"tilt": 20}, {"noise": 1.1}, {"nosie": 1}])
def test_what_is_out_of_bounds_is_refused(wrong):
    with pytest.raises(ValidationError):
        Augmentation(**wrong)
