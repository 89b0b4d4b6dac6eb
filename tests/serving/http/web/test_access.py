"""The page without a mouse, without eyes, in the dark, and on a phone."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def violations(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found]


@pytest.mark.parametrize(("scheme", "options"), [("light", {}), ("dark", PHONE)], ids=["desktop", "phone"])
def test_axe_finds_nothing(visits, photo, unsure, scheme, options):
    page = visits.open(color_scheme=scheme, **options)
    expect(page.locator("article")).to_have_count(3)
    for summary in page.locator("summary").all():
        summary.click()
    assert violations(page) == []
    letter = {"name": "letter.txt", "mimeType": "text/plain", "buffer": b"Dear Sir"}
    page.set_input_files("#chooser", [photo("right"), unsure, letter])
    expect(page.locator("#status")).to_contain_text("3 photos answered")
    for index in range(3):
        page.locator(".tile").nth(index).click()
        assert violations(page) == []


def test_axe_finds_nothing_in_the_dialog(visits, house, page_models, tmp_path):
    (tmp_path / "keys").write_text("the-key")
    page = visits.open(house(models=page_models, port=0, api_keys_file=tmp_path / "keys").url)
    expect(page.get_by_role("dialog")).to_be_visible()
    assert violations(page) == []


def test_everything_can_be_done_with_the_keyboard(page, photo):
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the answer")).to_be_focused()
    tab_to(page, "#choose")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files([photo(side) for side in ("right", "up", "left")])
    expect(page.locator("#status")).to_have_text("3 photos answered")
    tab_to(page, ".tile[aria-selected=true]")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".headline")).to_have_text("It is upright")
    page.keyboard.press("End")
    expect(page.locator(".headline")).to_have_text("Its top is on the left")
    expect(page.get_by_role("option", name="left.jpg: Its top is on the left")).to_be_focused()
    page.keyboard.press("Delete")
    expect(page.locator(".tile")).to_have_count(2)
    expect(page.get_by_role("option", name="up.jpg")).to_be_focused()
    page.keyboard.press("Home")
    expect(page.locator(".headline")).to_have_text("Its top is on the right")
    tab_to(page, "input[value=as-is]")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#frame")).to_have_css("rotate", "-90deg")


def tab_to(page: Page, selector: str) -> None:
    page.evaluate("document.activeElement.blur()")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    pytest.fail(f"Tab never reaches {selector}")


def test_answers_are_announced(page, photo):
    page.set_input_files("#chooser", photo("right"))
    expect(page.locator("#status")).to_contain_text("Its top is on the right, ")
    expect(page.locator("#status")).to_have_attribute("role", "status")


def test_a_phone_needs_no_sideways_scrolling(visits, photo):
    page = visits.open(**PHONE)
    page.set_input_files(
        "#chooser", [photo("right"), photo("up", name="a name that is much longer than any screen.jpg" * 4)]
    )
    expect(page.locator("#status")).to_have_text("2 photos answered")
    for summary in page.locator("summary").all():
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    small = page.locator("button:visible, a:visible, summary:visible").evaluate_all(
        "elements => elements.filter((e) => e.getBoundingClientRect().height < 24).map((e) => e.outerHTML)"
    )
    assert small == [], "WCAG 2.2 asks for 24 pixels"


def test_those_who_want_less_motion_get_none(visits, photo):
    assert visits.open(reduced_motion="no-preference").evaluate("document.getAnimations().length") >= 4
    page = visits.open()
    assert page.evaluate("document.getAnimations().length") == 0
    page.set_input_files("#chooser", photo("right"))
    page.get_by_text("Turned upright", exact=True).click()
    assert page.locator("#frame").evaluate("e => getComputedStyle(e).rotate") == "-90deg"
