"""What the page does when something is wrong."""

import pytest
from playwright.sync_api import expect

from serving.http.web import FILES


@pytest.fixture
def no_image():
    return {"name": "letter.txt", "mimeType": "text/plain", "buffer": b"Dear Sir or Madam"}


def test_what_is_no_image_is_one_sentence_beside_its_neighbours(page, photo, no_image):
    page.set_input_files("#chooser", [no_image, photo("right")])
    expect(page.locator("#verdict.failed")).to_contain_text("This file is no photo")
    expect(page.locator(".chip")).to_contain_text(["All 2", "Sideways 1", "Failed 1"])
    expect(page.locator(".tile[data-verdict=turn]")).to_have_count(1)
    expect(page.get_by_role("option", name="letter.txt: This file is no photo")).to_be_visible()
    expect(page.locator("#again")).to_be_visible()


def test_photos_wait_for_a_server_that_is_gone(visits, house, page_models, photo):
    first = house(models=page_models, port=0)
    page = visits.open(first.url)
    expect(page.locator("#service")).to_have_text("runs on CPU")
    first.stop()
    page.set_input_files("#chooser", [photo("right"), photo("down")])
    expect(page.get_by_role("alert")).to_contain_text("The server does not answer")
    expect(page.locator(".tile[data-verdict=waiting]")).to_have_count(2)
    house(models=page_models, port=int(first.url.rpartition(":")[2]))
    page.get_by_role("button", name="Try now").click()
    expect(page.locator(".tile[data-verdict=turn]")).to_have_count(2)
    expect(page.get_by_role("alert")).to_be_hidden()


def test_the_browser_may_be_offline(visits, photo):
    page = visits.open()
    expect(page.locator("#service")).to_have_text("runs on CPU")
    page.context.set_offline(True)
    page.set_input_files("#chooser", photo("left"))
    expect(page.get_by_role("alert")).to_contain_text("The server does not answer")
    page.context.set_offline(False)
    expect(page.locator(".headline")).to_have_text("Its top is on the left")


def test_a_full_server_is_asked_again(visits, house, page_models, photo):
    full = house(models=page_models, port=0)
    page = visits.open(full.url)
    expect(page.locator("#service")).to_have_text("runs on CPU")
    with full.service.images.lease() as take:
        take(full.service.images.limit)
        page.set_input_files("#chooser", photo("left"))
        expect(page.get_by_role("alert")).to_contain_text("The server is busy")
        expect(page.locator("#verdict")).to_have_text("Waiting for the server …")
    expect(page.locator(".headline")).to_have_text("Its top is on the left")
    expect(page.get_by_role("alert")).to_be_hidden()


def test_a_photo_that_is_too_large_is_told_so(visits, house, page_models, photo):
    small = house(models=page_models, port=0, max_image_bytes=1000, max_request_bytes=1000)
    page = visits.open(small.url)
    page.set_input_files("#chooser", {**photo("up"), "buffer": b"\xff\xd8\xff" * 200_000})
    expect(page.locator("#verdict.failed")).to_contain_text("too large")


def test_what_failed_can_be_tried_again(visits, house, page_models, photo):
    strict = house(models=page_models, port=0, max_image_pixels=1000)
    page = visits.open(strict.url)
    page.set_input_files("#chooser", [photo("right"), photo("down")])
    expect(page.locator(".tile[data-verdict=failed]")).to_have_count(2)
    strict.stop()
    house(models=page_models, port=int(strict.url.rpartition(":")[2]))
    page.get_by_role("button", name="Try failed again").click()
    expect(page.locator(".tile[data-verdict=turn]")).to_have_count(2)


@pytest.fixture
def guarded(house, page_models, tmp_path):
    (tmp_path / "keys").write_text("the-key")
    return house(models=page_models, port=0, api_keys_file=tmp_path / "keys")


def test_a_key_is_asked_for_and_kept_in_the_tab(visits, guarded, photo):
    page = visits.open(guarded.url)
    dialog = page.get_by_role("dialog", name="This server asks for an API key")
    dialog.get_by_label("API key").fill("clé")  # which no header can hold
    dialog.get_by_role("button", name="Use this key").click()
    for key, sentence in (("wrong", "It is kept in this tab"), ("the-key", "The server does not know this key")):
        expect(dialog).to_contain_text(sentence)
        dialog.get_by_label("API key").fill(key)
        dialog.get_by_role("button", name="Use this key").click()
    expect(dialog).to_be_hidden()
    page.set_input_files("#chooser", photo("right"))
    expect(page.locator(".headline")).to_have_text("Its top is on the right")
    page.reload()
    expect(page.locator("#service")).to_have_text("runs on CPU")
    assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]


def test_without_a_key_each_photo_says_why_it_failed(visits, guarded, photo):
    page = visits.open(guarded.url)
    page.get_by_role("button", name="Not now").click()
    expect(page.get_by_role("alert")).to_contain_text("The server asks for an API key.")
    page.set_input_files("#chooser", [photo("right", f"{index}.jpg") for index in range(9)])
    page.get_by_role("button", name="Not now").click()
    expect(page.locator(".tile[data-verdict=failed]")).to_have_count(9)
    expect(page.locator("#verdict.failed")).to_contain_text("API key")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.get_by_role("button", name="Try failed again").click()
    page.get_by_role("textbox", name="API key").fill("the-key")
    page.get_by_role("button", name="Use this key").click()
    expect(page.locator(".tile[data-verdict=turn]")).to_have_count(9)


def test_the_policy_holds_in_the_browser(visits):
    """Scripts of others, in the page or from elsewhere, do not run; Visits would report what the page does itself."""
    page = visits.open()
    page.evaluate(
        """() => {
          window.refused = [];
          document.addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
          document.body.append(Object.assign(document.createElement("img"), {src: "https://example.org/x.png"}));
          document.body.append(Object.assign(document.createElement("iframe"), {src: "/health"}));
          try { document.body.insertAdjacentHTML("beforeend", "<b>x</b>"); } catch { /* as it should */ }
          fetch("https://example.org/").catch(() => {});
        }"""
    )
    page.wait_for_function("() => refused.length >= 4")
    assert set(page.evaluate("refused")) == {"img-src", "frame-src", "require-trusted-types-for", "connect-src"}
    visits.wrong.clear()  # what Chromium says of these four


def test_the_page_lives_under_a_proxys_path(visits, house, page_models, photo):
    behind = house(models=page_models, port=0, root_path="/loupe")
    page = visits.open(f"{behind.url}/loupe")
    page.set_input_files("#chooser", photo("down"))
    expect(page.locator(".headline")).to_have_text("It is upside down")
    page.get_by_role("link", name="API").click()
    expect(page).to_have_title("Loupe - Swagger UI")


def test_the_browser_keeps_the_files_and_asks_whether_they_are_new(visits):
    page = visits.open()
    answers = []
    page.on("response", lambda response: answers.append((response.request.resource_type, response.status)))
    page.goto(page.url)
    expect(page.locator("#service")).to_have_text("runs on CPU")
    kept = [status for kind, status in answers if kind in ("script", "stylesheet")]
    assert len(kept) >= len([path for path in FILES if path.endswith((".js", ".css"))]) - 1
    assert set(kept) <= {200, 304}
