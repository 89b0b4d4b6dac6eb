"""Below an answer: why, and what would be right."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, Page, expect

Photo = Callable[..., FilePayload]


def give(page: Page, photo: FilePayload) -> None:
    page.set_input_files("#chooser", [photo])
    expect(page.locator(".headline")).to_be_visible()


def test_why_is_drawn_on_demand(page, photo: Photo):
    give(page, photo("up"))
    expect(page.locator(".evidence img")).to_have_count(0)
    page.get_by_text("Why “up”?").click()
    picture = page.locator(".evidence img").first
    expect(picture).to_be_visible()
    expect(picture).to_have_js_property("naturalWidth", 352)
    expect(page.get_by_text("Is that wrong?")).to_have_count(0)  # this server takes no corrections


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "corrections"


def test_a_correction_says_what_is_kept_and_is_kept(visits, house, page_models, photo: Photo, kept):
    page = visits.open(house(models=page_models, port=0, feedback=kept, explain=False).url)
    give(page, photo("up"))
    expect(page.locator(".evidence")).to_have_count(0)
    page.get_by_text("Is that wrong?").click()
    expect(page.locator(".correcting")).to_contain_text(
        "the server keeps its fingerprint and what you say, not the photo"
    )
    choice = page.get_by_label("What is right, by orientation")
    assert choice.evaluate("one => getComputedStyle(one).fontFamily === getComputedStyle(document.body).fontFamily")
    assert choice.bounding_box()["height"] >= 40, "a finger hits it"
    choice.select_option("left")
    page.locator(".correcting form").first.get_by_role("button").click()
    expect(page.locator(".correcting")).to_contain_text("It is kept that “left” is right.")
    [answer] = kept.rglob("*.json")
    assert json.loads(answer.read_text())["right"] == "left"
