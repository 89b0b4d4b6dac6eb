import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from pydantic import ValidationError

from models.images import Size
from models.preprocessing import Preprocessing

FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "box": Image.Resampling.BOX,
}


@pytest.mark.parametrize("name", FILTERS)
def test_squeeze_is_pillow_s_resize(photograph, name):
    wide = photograph.crop((0, 0, 512, 300))
    pixels = Preprocessing(height=40, width=60, resample=name).apply(wide)
    assert pixels.tobytes() == wide.resize((60, 40), FILTERS[name]).tobytes()


@pytest.mark.parametrize("name", FILTERS)
def test_center_crop_is_pillow_s_fit(photograph, name):
    tall = photograph.crop((100, 0, 350, 512))
    pixels = Preprocessing(height=40, width=60, fit="center_crop", resample=name).apply(tall)
    assert pixels.tobytes() == ImageOps.fit(tall, (60, 40), FILTERS[name]).tobytes()


def test_center_crop_keeps_the_middle():
    image = Image.new("RGB", (300, 100), "red")
    image.paste("blue", (100, 0, 200, 100))
    cropped = Preprocessing(height=20, width=20, fit="center_crop").apply(image)
    assert cropped[10, 10].tolist() == cropped[10, 2].tolist() == [0, 0, 255]
    squeezed = Preprocessing(height=20, width=20).apply(image)
    assert squeezed[10, 2].tolist() == [255, 0, 0]


def test_grey_is_pillow_s_luma(photograph):
    pixels = Preprocessing(height=512, width=512, channels=1).apply(photograph)
    assert pixels.shape == (512, 512, 1)
    assert pixels.tobytes() == photograph.convert("L").tobytes()


def test_a_picture_of_the_right_size_is_not_touched(photograph):
    for fit in ("squeeze", "center_crop"):
        assert Preprocessing(height=512, width=512, fit=fit).apply(photograph).tobytes() == photograph.tobytes()


@given(
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
    st.builds(
        Preprocessing,
        height=st.integers(1, 64),
        width=st.integers(1, 64),
        channels=st.sampled_from([1, 3]),
        fit=st.sampled_from(["squeeze", "center_crop"]),
        resample=st.sampled_from(sorted(FILTERS)),
    ),
)
@settings(deadline=None)
def test_any_picture_becomes_the_model_s_shape(size, preprocessing):
    pixels = preprocessing.apply(Image.new("RGB", size, (7, 7, 7)))
    assert pixels.shape == preprocessing.shape
    assert pixels.dtype == np.uint8
    assert (pixels == 7).all()


def test_size_names_width_first_and_shape_rows_first():
    preprocessing = Preprocessing(height=20, width=30, channels=1)
    assert preprocessing.size == Size(width=30, height=20)
    assert preprocessing.shape == (20, 30, 1)


@pytest.mark.parametrize(
    "wrong",
    [{"height": 0}, {"width": 4097}, {"channels": 4}, {"fit": "stretch"}, {"resample": "lanczos"}, {"mean": 0.5}],
)
def test_what_it_cannot_do_is_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        Preprocessing(**{"height": 20, "width": 20} | wrong)
