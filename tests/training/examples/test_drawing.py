from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from training.examples import drawing
from training.examples.__main__ import EXAMPLES

FOLDER = Path(drawing.__file__).parent


@pytest.mark.parametrize("dither", [False, True])
def test_a_picture_has_a_palette_and_white_paper(tmp_path, dither):
    figure = Figure((2, 2))
    noise = np.random.default_rng(0).integers(0, 256, (100, 100, 3), np.uint8)
    axes = figure.add_axes((0, 0, 0.5, 0.5))
    axes.imshow(noise, interpolation="nearest")
    axes.axis("off")
    with Image.open(drawing.save(figure, tmp_path / "new", "noise", dither=dither)) as picture:
        assert (picture.mode, picture.size) == ("P", (280, 280))
        shown = np.asarray(picture.convert("RGB"))
    assert (shown[:130] == 255).all()
    np.testing.assert_allclose(shown[145:265, 15:135].mean(axis=(0, 1)), noise.mean(axis=(0, 1)), atol=4)


def test_a_picture_of_few_colours_keeps_them(tmp_path):
    figure = Figure((2, 2), facecolor="#0072B2")
    with Image.open(drawing.save(figure, tmp_path, "blue")) as picture:
        assert picture.convert("RGB").getpixel((100, 100)) == (0, 0x72, 0xB2)
        assert picture.convert("RGB").getpixel((2, 2)) == (255, 255, 255)


def test_where_the_pictures_go():
    assert drawing.command_line("Title.\nmore").parse_args([]).folder == FOLDER / "pictures"
    assert drawing.command_line(None).parse_args(["elsewhere"]).folder == Path("elsewhere")


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_readme_shows_every_example_s_picture(name):
    readme = (FOLDER / "README.md").read_text()
    assert f"pictures/{name}.png" in readme
    assert f"{name}.py" in readme
    with Image.open(FOLDER / "pictures" / f"{name}.png") as picture:
        assert picture.mode == "P"


def test_all_examples_are_run_and_short():
    shared = {"__init__", "__main__", "drawing"}
    assert {path.stem for path in FOLDER.glob("*.py")} - shared == set(EXAMPLES)
    assert all(len(path.read_text().splitlines()) <= 120 for path in FOLDER.glob("*.py"))


def test_the_pictures_are_small():
    assert sum(path.stat().st_size for path in (FOLDER / "pictures").iterdir()) < 1.5e6
