"""What a person reads, on any screen: why a photo failed, why an answer is not certain, figures rounded one way."""

import pytest
from playwright.sync_api import expect

PHONES = [(375, 667), (360, 640), (320, 568), (667, 375), (568, 320)]


def file(name: str, data: bytes) -> dict:
    return {"name": name, "mimeType": "", "buffer": data}


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("empty.jpg", b"", "This file is empty."),
        ("letter.txt", b"Dear Sir or Madam", "This file is no photo, or of a kind that Loupe cannot read."),
        ("cut.jpg", b"\xff\xd8\xff\xe0\x00\x10JFIF", "This photo is broken or cut off, so it cannot be read."),
    ],
)
def test_what_is_wrong_with_a_file_is_told_to_the_person_at_the_page(page, name, data, sentence):
    page.set_input_files("#chooser", file(name, data))
    expect(page.locator("#verdict.failed")).to_have_text(sentence)


def test_heic_that_cannot_be_read_is_called_so(page, monkeypatch):
    monkeypatch.setattr("models.heif.find_spec", lambda _: None)
    page.set_input_files("#chooser", file("phone.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64)))
    expect(page.locator("#verdict.failed")).to_have_text("This server cannot read HEIC photos.")


def test_limits_are_told_in_what_people_count_in(visits, house, page_models, photo):
    small = house(models=page_models, port=0, max_image_bytes=1024 * 1024, max_image_pixels=1_000_000)
    page = visits.open(small.url)
    page.set_input_files("#chooser", file("large.jpg", photo("up")["buffer"] + bytes(1_500_000)))
    expect(page.locator("#verdict.failed")).to_have_text("This photo is too large: at most 1 MB.")
    page.set_input_files("#chooser", photo("up", size=(1200, 1000)))
    expect(page.locator("#verdict.failed")).to_have_text("This photo is too large: at most 1 megapixels.")


@pytest.mark.parametrize("kind", ["GIF", "BMP", "PNG", "WEBP", "TIFF", "JPEG"])
def test_a_download_is_offered_of_what_can_be_turned(page, zoo, client, kind):
    data = zoo.encode(zoo.lit("left", (64, 48)), kind)
    turned = client.post("/v1/upright", content=data).status_code == 200
    page.set_input_files("#chooser", [file(f"one.{kind.lower()}", data), file("other.gif", b"GIF89a")])
    page.get_by_role("option", name=f"one.{kind.lower()}").click()
    expect(page.locator(".headline")).to_have_text("Its top is on the left")
    expect(page.locator("#upright")).to_be_visible(visible=turned)
    expect(page.get_by_text(f"{kind} files are not turned.")).to_be_visible(visible=not turned)
    expect(page.locator("#zip")).to_have_text("Download 2 as zip" + ", 1 turned upright" * turned)


def test_animations_are_not_offered_upright(page, zoo, client):
    first, second = zoo.lit("left", (64, 48)), zoo.lit("up", (64, 48))
    for kind in ("PNG", "WEBP"):
        data = zoo.encode(first, kind, save_all=True, append_images=[second], duration=100)
        assert client.post("/v1/upright", content=data).status_code == 415
        page.set_input_files("#chooser", file(f"moving.{kind.lower()}", data))
        expect(page.locator(".note").filter(has_text="files are not turned.")).to_be_visible()
        expect(page.locator("#upright")).to_be_hidden()


def test_figures_are_rounded_one_way(page):
    percent = page.evaluate_handle("import('./web/dom.js').then((dom) => dom.percent)")
    shares = [0.990442, 0.9994, 0.99951, 0.9999, 1, 0.0096, 0.004, 0.0004, 0]
    told = page.evaluate(
        "([percent, shares]) => shares.map((share) => [percent(share, 0), percent(share)])", [percent, shares]
    )
    assert [[text.replace("\u00a0", " ") for text in pair] for pair in told] == [
        ["99 %", "99.0 %"],
        ["> 99 %", "99.9 %"],
        ["> 99 %", "> 99.9 %"],
        ["> 99 %", "> 99.9 %"],
        ["100 %", "100.0 %"],
        ["1 %", "1.0 %"],
        ["< 1 %", "0.4 %"],
        ["< 1 %", "< 0.1 %"],
        ["0 %", "0.0 %"],
    ]


def test_code_in_a_description_looks_like_code(visits, house, zoo, tmp_path):
    described = zoo.orientation(description="As `orientation`, in a fifth of the time.")
    page = visits.open(house(models=zoo.publish(tmp_path, described), port=0).url)
    expect(page.locator(".description code")).to_have_text("orientation")
    expect(page.locator(".description")).to_have_text("As orientation, in a fifth of the time.")


@pytest.mark.parametrize(
    ("certain_from", "why"),
    [(None, "never certain: too few photos have shown how often the model is right"), (1.0, "certain from 100.0 % on")],
)
def test_why_a_sure_answer_is_not_certain_is_said(visits, house, zoo, tmp_path, photo, certain_from, why):
    page = visits.open(house(models=zoo.publish(tmp_path, zoo.with_threshold(certain_from)), port=0).url)
    page.set_input_files("#chooser", photo("left"))
    expect(page.locator(".pill.unsure")).to_be_visible()
    expect(page.locator(".note.why")).to_contain_text(why)


@pytest.mark.parametrize("size", PHONES)
def test_nothing_overlaps_or_scrolls_sideways_on_a_phone(visits, photo, size):
    """WCAG 1.4.10: from 320 pixels on."""
    page = visits.open(viewport={"width": size[0], "height": size[1]}, is_mobile=True)
    page.set_input_files("#chooser", [photo("left"), photo("up")])
    for name in ("next", "view"):
        expect(page.locator(f"#{name}")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == size[0]
    boxes = [page.locator(f"#{name}").bounding_box() for name in ("previous", "next", "view")]
    for index, one in enumerate(boxes):
        assert not any(overlap(one, other) for other in boxes[index + 1 :]), boxes
    if size[0] > size[1]:
        page.evaluate("document.getElementById('stage').scrollIntoView()")
        stage, panel = (page.locator(f"#{name}").bounding_box() for name in ("stage", "panel"))
        assert stage["height"] <= size[1]
        assert panel["x"] >= stage["x"] + stage["width"], "beside each other"


def overlap(one: dict, other: dict) -> bool:
    return all(
        one[start] < other[start] + other[length] and other[start] < one[start] + one[length]
        for start, length in (("x", "width"), ("y", "height"))
    )
