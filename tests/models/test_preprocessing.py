from pathlib import Path

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


@pytest.mark.parametrize("sides", [(20_000_000, 1), (1, 20_000_000)])
def test_a_picture_of_one_line_takes_no_memory_for_its_length(sides):
    """Pillow's weights for it would be 320 MB, made while nobody else has the interpreter."""
    image = Image.new("RGB", sides, (10, 200, 90))
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
    before = kib("VmRSS")
    pixels = Preprocessing(height=88, width=88).apply(image)
    assert (pixels == [10, 200, 90]).all()
    assert kib("VmHWM") - before < 64 * 1024


def kib(name: str) -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(name))


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


@pytest.mark.parametrize("fit", ["center_crop", "squeeze"])
def test_a_crop_keeps_the_middle_of_what_is_fitted(fit):
    """Of 80 x 40 pixels, half of each side is kept: as a square 20 x 20 of them, squeezed 40 x 20."""
    image = Image.new("RGB", (80, 40), "red")
    kept = (30, 10, 50, 30) if fit == "center_crop" else (20, 10, 60, 30)
    image.paste("blue", kept)
    pixels = Preprocessing(height=10, width=10, fit=fit, crop=0.5, resample="box").apply(image)
    assert (pixels == [0, 0, 255]).all()
    wider = Preprocessing(height=10, width=10, fit=fit, crop=0.75, resample="box").apply(image)
    assert wider[0, 0].tolist() == [255, 0, 0]
    assert wider[5, 5].tolist() == [0, 0, 255]


def test_a_crop_is_what_timm_and_torchvision_do(photograph):
    """Their short side is 256, of which the middle 224 x 224 are kept."""
    theirs = np.asarray(photograph.resize((256, 256), Image.Resampling.BICUBIC).crop((16, 16, 240, 240)))
    ours = Preprocessing(height=224, width=224, fit="center_crop", crop=0.875, resample="bicubic").apply(photograph)
    inside = (slice(2, -2), slice(2, -2))  # at the border, theirs has seen what was cut off
    assert np.array_equal(theirs[inside], ours[inside])


def test_what_is_cut_off_is_decoded_larger():
    assert Preprocessing(height=224, width=224, crop=0.875).size == Size(256, 256)
    assert Preprocessing(height=224, width=112).size == Size(112, 224)


def test_files_that_cut_nothing_off_say_nothing_of_it():
    """Versions that know no ``crop`` read them."""
    assert "crop" not in Preprocessing(height=1, width=1).model_dump()
    cut = Preprocessing(height=1, width=1, crop=0.5)
    assert Preprocessing.model_validate_json(cut.model_dump_json()) == cut


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
