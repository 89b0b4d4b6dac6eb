"""/docs in a real browser: "Try it out" works with a file of one's own, and nothing is in red."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect


@pytest.fixture
def docs(browser: Browser, page_url: str) -> Iterator[Page]:
    page = browser.new_page()
    page.goto(f"{page_url}/docs")
    expect(page.locator(".opblock-tag-section")).not_to_have_count(0)
    yield page
    page.close()


def test_a_photo_is_chosen_sent_and_answered(docs: Page, photo):
    call = docs.locator("#operations-predict-predict")
    call.click()
    call.get_by_role("button", name="Try it out").click()
    call.get_by_placeholder("model").fill("orientation")
    call.locator("input[type=file]").set_input_files([photo("left")])
    call.get_by_role("button", name="Execute").click()
    expect(call.locator(".live-responses-table td.response-col_status:not(.col_header)").first).to_contain_text("200")
    expect(call.locator(".live-responses-table")).to_contain_text('"label": "left"')


def test_an_example_is_answered_as_it_stands(docs: Page):
    call = docs.locator("#operations-open_inference-infer_model")
    call.click()
    call.get_by_role("button", name="Try it out").click()
    call.get_by_placeholder("model").fill("orientation")
    call.get_by_role("button", name="Execute").click()
    expect(call.locator(".live-responses-table td.response-col_status:not(.col_header)").first).to_contain_text("200")


def test_every_reference_resolves_and_there_is_a_lock(docs: Page):
    for name in ("models-set_labels", "open_inference-infer_model", "open_inference-load_model"):
        docs.locator(f"#operations-{name}").click()
    expect(docs.locator(".errors-wrapper")).to_have_count(0)
    expect(docs.get_by_role("button", name="Authorize")).to_be_visible()
