from io import BytesIO
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from models.errors import TrainingError
from training.pages import writing
from training.pages.camera import SHORT_SIDE, photographed
from training.pages.layouts import LAYOUTS
from training.pages.rendering import rendered, write_pages
from training.pages.sheet import Sheet
from training.pages.writing import Script, is_held_back, scripts
from training.photos.scan import scan
from training.photos.tasks import ORIENTATION

FILES = Path(mpl.get_data_path()) / "fonts/ttf"
LEARNED, HELD_BACK = "DejaVu Sans", "STIXGeneral"  # these families fall to either side


@pytest.fixture(autouse=True)
def fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two real families that come with matplotlib, whatever this machine has."""
    known = {LEARNED: (str(FILES / "DejaVuSans.ttf"),), HELD_BACK: (str(FILES / "STIXGeneral.ttf"),)}
    monkeypatch.setattr(writing, "families", lambda *langs: known if {"de", "ka"} & {*langs} else {})


def page(seed: int, **options):
    return rendered(np.random.default_rng(seed), **{"held_back": False, **options})


def test_a_seed_gives_the_same_page_and_another_one_another():
    assert page(1) == page(1)
    assert page(1).jpeg != page(2).jpeg


def test_no_test_page_has_a_font_or_layout_and_script_of_a_page_to_learn_from():
    learned, tested = ([page(seed, held_back=held_back) for seed in range(12)] for held_back in (False, True))
    assert {each.font for each in learned} == {LEARNED}
    assert not any(LAYOUTS[each.layout].held_back for each in learned)
    assert any(LAYOUTS[each.layout].held_back for each in tested)
    assert {each.font for each in tested if each.script == "latin"} == {HELD_BACK}
    assert {each.script for each in learned} == {"latin"}


def test_a_folder_of_pages_is_one_of_training_photos(tmp_path):
    write_pages(tmp_path, 4, seed=1)
    photos = scan([tmp_path], ORIENTATION).photos
    assert len(photos) == 4
    assert all(photo.source == f"pages_{Path(photo.path).parent.name}" for photo in photos)
    assert all(min(photo.width, photo.height) == SHORT_SIDE for photo in photos)
    assert all(photo.width % 16 == photo.height % 16 == 0 for photo in photos)  # so that turns keep JPEG's blocks


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("script", ["latin", "hebrew", "chinese"])
def test_each_layout_writes_in_each_direction(name, script):
    chosen = next(known for known in scripts() if known.name == script)
    paper = Image.new("RGB", (288, 400), "white")
    sheet = Sheet(np.random.default_rng(4), chosen, (str(FILES / "DejaVuSans.ttf"),), paper, (0, 0, 0), 14)
    LAYOUTS[name].write(sheet)
    assert 0.003 < np.mean(np.asarray(paper.convert("L")) < 128) < 0.7


def test_lines_of_a_script_from_right_to_left_end_at_the_right():
    script = Script("hebrew", ("he",), 1, ("שלום",), right_to_left=True)
    paper = Image.new("L", (300, 100), 255)
    sheet = Sheet(np.random.default_rng(0), script, (str(FILES / "DejaVuSans.ttf"),), paper, 0, 20)
    sheet.line("שלום", (10, 10), sheet.font(15), 280)
    columns = np.flatnonzero((np.asarray(paper) < 128).any(axis=0))
    assert columns.min() > 200
    assert columns.max() <= 290


def test_a_photographed_page_stays_upright():
    paper = Image.new("RGB", (384, 512), "white")
    paper.paste((0, 0, 0), (0, 0, 384, 256))
    for seed in range(8):
        pixels = np.asarray(Image.open(BytesIO(photographed(paper, np.random.default_rng(seed)))).convert("L"), float)
        inner = pixels[60:-60, 40:-40]
        assert inner[: len(inner) // 2].mean() < inner[len(inner) // 2 :].mean() - 40


def test_without_a_font_that_says_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(writing, "families", lambda *langs: {})
    with pytest.raises(TrainingError, match="no font can write a page; install some"):
        write_pages(tmp_path, 1, seed=1)


def test_families_of_the_same_founder_lie_on_one_side():
    assert is_held_back("DejaVu Sans") == is_held_back("DejaVu Serif Condensed") == is_held_back("dejavu")
    assert {is_held_back(name) for name in (LEARNED, HELD_BACK)} == {True, False}
