"""The camera: Chromium's fake device shows a real photo, the astronaut on her side."""

import json
import re
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Page, expect

SIDES = ("up", "right", "down", "left")
TOLERANCE = 0.05  # the page encodes what the camera shows anew


@pytest.fixture
def live(visits) -> Page:
    page = visits.open(permissions=["camera"])
    page.get_by_role("button", name="Use the camera").click()
    expect(page.locator("#rate")).to_contain_text("answers a second")
    return page


def shares(page: Page) -> dict[str, float]:
    return {
        side: float(page.locator(f".side.{side}").evaluate("e => e.style.getPropertyValue('--share')"))
        for side in SIDES
    }


def test_the_arrows_follow_the_camera(live, page_url, camera_photo):
    request = Request(f"{page_url}/v1/models/orientation:predict", camera_photo, {"Content-Type": "image/jpeg"})
    with urlopen(request) as response:
        expected = json.load(response)["predictions"][0]["probabilities"]
    assert shares(live) == pytest.approx(expected, abs=TOLERANCE)
    expect(live.locator("#name")).to_have_text("Camera")
    assert live.locator("#video").evaluate("e => getComputedStyle(e).transform") == "none", "left is the picture's left"


def test_it_asks_for_the_next_frame_only_after_an_answer(live):
    live.evaluate(
        """() => {
          window.most = window.asked = 0;
          let now = 0;
          const ask = window.fetch;
          window.fetch = async (...options) => {
            asked++;
            most = Math.max(most, ++now);
            try { return await ask(...options); } finally { now--; }
          };
        }"""
    )
    live.wait_for_function("() => asked >= 5")
    assert live.evaluate("most") == 1
    assert float(re.match(r"[\d.]+", live.locator("#rate").inner_text()).group()) > 0


def test_a_picture_is_kept_and_the_camera_stops(live):
    live.get_by_role("button", name="Keep this picture").click()
    tile = live.get_by_role("option", name=re.compile(r"^camera .*\.jpg"))
    expect(tile).to_be_visible()
    live.get_by_role("button", name="Stop the camera").click()
    expect(live.locator("#picture")).to_be_visible()
    expect(live.locator("#rate")).to_be_hidden()
    assert live.locator("#video").evaluate("e => e.srcObject") is None


def test_the_camera_is_let_go_while_nobody_looks(live):
    hide = "hidden => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true}); "
    hide += "document.dispatchEvent(new Event('visibilitychange')); }"
    live.evaluate(hide, True)
    assert live.locator("#video").evaluate("e => e.srcObject") is None
    live.evaluate(hide, False)
    live.wait_for_function("() => document.getElementById('video').srcObject?.active")


def test_a_camera_that_is_refused_is_one_sentence(visits):
    page = visits.open()
    page.evaluate(
        """() => {
          const refusal = new DOMException("", "NotAllowedError");
          navigator.mediaDevices.getUserMedia = () => Promise.reject(refusal);
        }"""
    )
    page.get_by_role("button", name="Use the camera").click()
    expect(page.get_by_role("alert")).to_have_text("The browser was not allowed to use the camera.")
    expect(page.get_by_role("button", name="Use the camera")).to_be_visible()


def test_over_plain_http_the_phones_own_camera_is_offered(visits, page_url, photo):
    """Chromium takes a name that is not this machine's for insecure, as it would a phone's view of a laptop."""
    page = visits.open(
        page_url.replace("127.0.0.1", "photos.test"), viewport={"width": 390, "height": 844}, has_touch=True
    )
    expect(page.locator("#camera-note")).to_contain_text("Browsers allow a live camera over https")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Use the camera").click()
    assert chooser.value.element.get_attribute("capture") == "environment"
    chooser.value.set_files(photo("right"))
    expect(page.locator(".headline")).to_have_text("Its top is on the right")
