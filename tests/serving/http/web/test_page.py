"""What a person does with the page, and what it shows."""

import json
import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from urllib.request import Request, urlopen
from zipfile import ZipFile

import pytest
from PIL import Image
from playwright.sync_api import FilePayload, Page, expect

SIDES = ("up", "right", "down", "left")
HEADLINES = {
    "up": "It is upright",
    "right": "Its top is on the right",
    "down": "It is upside down",
    "left": "Its top is on the left",
}
TURNS = {"up": "0deg", "right": "-90deg", "down": "180deg", "left": "90deg"}

Photo = Callable[..., FilePayload]
# How a picture is stored so that each orientation shows it as it is meant.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def choose(page: Page, *photos: FilePayload) -> None:
    page.set_input_files("#chooser", list(photos))


def shares(page: Page) -> dict[str, float]:
    """How brightly each arrow glows."""
    return {
        side: float(page.locator(f".side.{side}").evaluate("e => e.style.getPropertyValue('--share')"))
        for side in SIDES
    }


def asked(url: str, data: bytes) -> dict[str, float]:
    """What the server says when it is asked without the page."""
    request = Request(f"{url}/v1/models/orientation:predict", data, {"Content-Type": "application/octet-stream"})
    with urlopen(request) as response:
        return json.load(response)["predictions"][0]["probabilities"]


@pytest.mark.parametrize("side", SIDES)
def test_the_arrows_glow_as_the_server_answers(page, page_url, photo: Photo, side):
    picture = photo(side)
    choose(page, picture)
    expect(page.locator(".headline")).to_have_text(HEADLINES[side])
    expected = asked(page_url, picture["buffer"])
    assert shares(page) == pytest.approx(expected)
    assert max(expected, key=expected.__getitem__) == side
    expect(page.locator("#arrows")).to_have_attribute("aria-label", re.compile(f"{side} (9|>)"))
    page.get_by_text("Turned upright", exact=True).click()
    expect(page.locator("#frame")).to_have_css("rotate", TURNS[side] if side != "up" else "0deg")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("method", ["exif", "xmp"])
def test_a_webp_is_drawn_as_it_is_judged(page, orientation, method):
    """Browsers overlook its EXIF, which the server heeds; XMP neither of them does."""
    sky = Image.new("RGB", (120, 80), (60, 60, 60))
    sky.paste((200, 200, 200), (0, 0, 120, 40))
    sky.paste((200, 30, 30), (0, 0, 20, 10))  # so that a mirror is seen
    meant = sky.transpose(inverse) if (inverse := STORED[orientation]) is not None else sky
    exif = Image.Exif()
    exif[0x0112] = orientation
    xmp = b'<x xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="%d"/>' % orientation
    file = BytesIO()
    (meant if method == "exif" else sky).save(
        file, "WEBP", lossless=True, **({"exif": exif} if method == "exif" else {"xmp": xmp})
    )
    choose(page, {"name": "photo.webp", "mimeType": "image/webp", "buffer": file.getvalue()})
    expect(page.locator(".headline")).to_have_text(HEADLINES["up"])
    expect(page.locator("#picture")).to_have_js_property("naturalWidth", 120)
    expect(page.locator("#picture")).to_have_js_property("naturalHeight", 80)
    corner = page.evaluate("""() => {
        const canvas = Object.assign(document.createElement("canvas"), { width: 120, height: 80 });
        const context = canvas.getContext("2d");
        context.drawImage(document.querySelector("#picture"), 0, 0);
        return [...context.getImageData(8, 4, 1, 1).data];
    }""")
    assert corner[0] > 150
    assert corner[1] < 80


def test_a_photo_is_judged_and_shown_as_exif_says(page, photo: Photo):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn the stored pixels clockwise by 90 degrees: the sky on their left comes up
    choose(page, photo("left", size=(240, 320), exif=exif))
    expect(page.locator(".headline")).to_have_text("It is upright")
    assert page.locator("#picture").evaluate("e => [e.naturalWidth, e.naturalHeight]") == [320, 240]


def test_a_thumbnail_is_turned_as_exif_says_too(page, photo: Photo):
    exif = Image.Exif()
    exif[0x0112] = 6
    choose(page, photo("left", size=(240, 320), exif=exif), photo("up"))
    for thumbnail in page.locator(".thumb img").all():
        expect(thumbnail).to_have_js_property("naturalHeight", 320)
        assert thumbnail.evaluate("e => e.naturalWidth") == pytest.approx(427, abs=1)


def test_what_is_not_certain_is_shown_as_such(page, unsure):
    choose(page, unsure)
    expect(page.locator("p.sure")).to_contain_text("Not certain")
    expect(page.locator("#verdict")).to_contain_text("it stays as it is")
    expect(page.locator("#upright")).to_be_hidden()
    expect(page.locator("#stage")).to_have_class(re.compile("unsure"))


def test_every_model_is_shown_in_its_own_way(page, photo: Photo):
    choose(page, photo("up"))
    meter = page.get_by_role("meter", name="Selfie")
    assert int(meter.get_attribute("aria-valuenow")) > 50
    expect(page.locator(".gauge .label")).to_have_text("Selfie")
    expect(page.locator(".gauge")).to_contain_text("“selfie” from 40 % on")
    bars = page.locator(".bars li")
    expect(bars).to_have_count(3)
    assert {bar.locator("span").first.inner_text() for bar in bars.all()} == {"kitchen", "old town", "forest"}
    assert sum(float(bar.locator("i").evaluate("e => e.style.getPropertyValue('--share')")) for bar in bars.all()) == (
        pytest.approx(1, abs=1e-4)
    )


def test_model_version_provider_and_latency_are_told(page, photo: Photo):
    choose(page, photo("up"))
    expect(page.locator(".facts tr")).to_have_text(
        ["orientationversion 1CPU", "selfieversion 3CPU", "sceneversion 1CPU"]
    )
    expect(page.locator(".facts")).to_contain_text(
        re.compile(r"\d ms there and back; in the server: decode \d.*, preprocess \d.*, queue \d.*, inference \d")
    )
    expect(page.locator("#service")).to_have_text("runs on CPU")
    expect(page.locator("#version")).to_contain_text("CPUExecutionProvider")


def test_photos_are_pasted_as_files(page, photo: Photo):
    """As a file manager's Copy leaves them."""
    given = [photo("left"), photo("down")]
    page.evaluate(
        """(photos) => {
          const clipboardData = new DataTransfer();
          for (const [name, bytes] of photos) clipboardData.items.add(new File([Uint8Array.from(bytes)], name));
          document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true }));
        }""",
        [[one["name"], list(one["buffer"])] for one in given],
    )
    expect(page.locator(".headline")).to_have_text(HEADLINES["left"])
    expect(page.locator(".tile")).to_have_count(2)


def drop(page: Page, *paths: Path) -> None:
    """Lets go of files above the page, as the system would."""
    devtools = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for step in ("dragEnter", "dragOver", "drop"):
        devtools.send("Input.dispatchDragEvent", {"type": step, "x": 640, "y": 700, "data": data})
        if step == "dragOver":
            expect(page.locator("body.dropping")).to_be_visible()
    expect(page.locator("body.dropping")).to_have_count(0)


def test_photos_are_dropped_anywhere(page, photo: Photo, tmp_path):
    for side in ("left", "down"):
        (tmp_path / f"{side}.jpg").write_bytes(photo(side)["buffer"])
    drop(page, tmp_path / "left.jpg", tmp_path / "down.jpg")
    expect(page.locator(".headline")).to_have_text(HEADLINES["left"])
    expect(page.locator(".caption")).to_have_text(["left.jpg", "down.jpg"])


def test_folders_are_dropped_with_all_photos_in_them(page, photo: Photo, tmp_path):
    scans = tmp_path / "scans"
    for place in ("1998/a.jpg", "1999/summer/b.JPG", "Thumbs.db"):
        (scans / place).parent.mkdir(parents=True, exist_ok=True)
        (scans / place).write_bytes(photo("left")["buffer"])
    drop(page, scans)
    captions = page.locator(".caption")
    expect(captions).to_have_count(2)
    assert {caption.get_attribute("title") for caption in captions.all()} == {
        "scans/1998/a.jpg",
        "scans/1999/summer/b.JPG",
    }
    with page.expect_download() as download:
        page.get_by_role("button", name="Download 2 as zip, 2 turned upright").click()
    assert sorted(ZipFile(download.value.path()).namelist()) == ["scans/1998/a.jpg", "scans/1999/summer/b.JPG"]


def test_a_picture_is_pasted_from_the_clipboard(visits, page_url):
    page = visits.open(permissions=["clipboard-read", "clipboard-write"])
    page.evaluate(
        """async () => {
          const canvas = Object.assign(document.createElement("canvas"), {width: 64, height: 64});
          const context = canvas.getContext("2d");
          context.fillStyle = "#3c3c3c"; context.fillRect(0, 0, 64, 64);
          context.fillStyle = "#b4b4b4"; context.fillRect(0, 32, 64, 32);
          const blob = await new Promise((resolve) => canvas.toBlob(resolve));
          await navigator.clipboard.write([new ClipboardItem({"image/png": blob})]);
        }"""
    )
    page.keyboard.press("Control+V")
    expect(page.locator(".headline")).to_have_text(HEADLINES["down"])


def test_the_grid_is_filtered(page, photo: Photo, unsure):
    choose(page, *(photo(side) for side in SIDES), unsure)
    chips = page.locator(".chip")
    expect(chips).to_have_text(["All 5", "Sideways 2", "Upside down 1", "Upright 1", "Not certain 1", "Selfie 4"])
    page.get_by_role("button", name="Sideways").click()
    expect(page.locator(".tile:visible .caption")).to_have_text(["right.jpg", "left.jpg"])
    expect(page.locator("#zip")).to_have_text("Download 2 as zip, 2 turned upright")
    expect(page.locator("#status")).to_have_text("2 photos shown")
    page.get_by_role("button", name="All 5", exact=True).click()
    page.locator(".tile", has_text="down.jpg").click()
    expect(page.locator(".headline")).to_have_text(HEADLINES["down"])
    page.get_by_role("button", name="Next photo").click()
    expect(page.locator("#name")).to_have_text("left.jpg")
    page.get_by_role("button", name="Previous photo").click()
    expect(page.locator("#name")).to_have_text("down.jpg")
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.locator(".tile")).to_have_count(4)
    page.get_by_role("button", name="Remove all").click()
    expect(page.locator("#gallery")).to_be_hidden()
    for hint in ("#intro", "#legend", "#privacy"):
        expect(page.locator(hint)).to_be_visible()


def test_every_object_url_is_given_back(visits, photo: Photo):
    """A photo that nobody sees any more must not stay in memory."""
    page = visits.open()
    page.evaluate(
        """() => {
          window.held = new Set();
          const [make, revoke] = [URL.createObjectURL, URL.revokeObjectURL];
          URL.createObjectURL = (blob) => { const url = make.call(URL, blob); held.add(url); return url; };
          URL.revokeObjectURL = (url) => { held.delete(url); revoke.call(URL, url); };
        }"""
    )
    choose(page, *(photo(side) for side in SIDES))
    expect(page.locator(".thumb img")).to_have_count(4)
    assert page.evaluate("held.size") == 5, "four thumbnails and the picture on the stage"
    page.get_by_role("button", name="Remove all").click()
    page.wait_for_function("() => held.size === 0")


def test_at_most_four_photos_are_under_way(visits, photo: Photo):
    page = visits.open()
    page.evaluate(
        """() => {
          window.most = 0;
          let now = 0;
          const ask = window.fetch;
          window.fetch = async (...options) => {
            most = Math.max(most, ++now);
            try { return await ask(...options); } finally { now--; }
          };
        }"""
    )
    choose(page, *(photo(SIDES[index % 4], f"{index}.jpg") for index in range(24)))
    expect(page.locator("#status")).to_have_text("24 photos answered")
    assert page.evaluate("most") == 4
    expect(page.locator("[data-verdict=turn]")).to_have_count(18)


def test_the_cards_tell_what_was_measured(page):
    card = page.locator("article", has_text="Which side has the sky.")
    expect(page.locator(".limits")).to_have_text(["Limits: Not for owls."])
    expect(card.locator(".figures strong")).to_have_text(["95.0 %", "80.0 %", "400"])
    expect(card).to_contain_text("95 %: 93.0 % to 97.0 %")
    expect(card.locator(".matrix tbody tr").nth(1)).to_have_text("right19522")
    reliability = card.get_by_role("img", name=re.compile("^Reliability"))
    expect(reliability).to_have_attribute("aria-label", re.compile(r"40\s%: 38\s%, 60\s%: 58\s%"))
    expect(reliability.locator("circle")).to_have_count(4)
    expect(card.get_by_role("img", name=re.compile("^Accuracy among the surest"))).to_be_visible()
    expect(page.locator("article")).to_have_count(3)
    expect(page.locator("article", has_text="Nothing was measured")).to_have_count(2)
    card.get_by_text("More about this model").click()
    expect(card.locator("details")).to_contain_text("Apache-2.0")


def test_a_model_that_is_unloaded_meanwhile_is_asked_no_more(visits, house, zoo, tmp_path, photo: Photo):
    root = zoo.publish(tmp_path, zoo.orientation(), zoo.selfie())
    changing = house(models=root, port=0, admin_token="secret")
    page = visits.open(changing.url)
    expect(page.locator("article")).to_have_count(2)
    unload = Request(f"{changing.url}/v2/repository/models/selfie/unload", b"{}", {"Authorization": "Bearer secret"})
    urlopen(unload).close()
    choose(page, photo("left"))
    expect(page.locator(".facts tr")).to_have_text(["orientationversion 1CPU"])
    expect(page.locator("article")).to_have_count(1)


def test_a_server_without_a_compass_is_served_as_well(visits, house, zoo, tmp_path, photo: Photo):
    root = zoo.publish(tmp_path, zoo.of_shape("scene", height=8, width=8, channels=3, labels=("a_b", "c", "d")))
    page = visits.open(house(models=root, port=0).url)
    choose(page, photo("up"), photo("left"))
    expect(page.locator(".bars li")).to_have_count(3)
    for part in ("#arrows", "#legend"):
        expect(page.locator(part)).to_be_hidden()
    expect(page.locator("#view")).to_be_hidden()
    expect(page.locator("#gallery")).to_be_visible()


def test_a_model_of_many_labels_shows_the_likeliest_and_what_it_mistakes_most(
    visits, house, zoo, tmp_path, photo: Photo
):
    names = [f"breed_{index}" for index in range(40)]
    confusion = [[9 if row == column else 0 for column in range(40)] for row in range(40)]
    confusion[3][7] = 5
    metrics = {
        "data_sha256": "0" * 64,
        "images": 365,
        "accuracy": 360 / 365,
        "labels": {name: {"precision": 0.9, "recall": 0.9, "support": 9} for name in names},
        "confusion_matrix": confusion,
        "certain_share": 0.0,
    }
    breeds = zoo.of_shape("breeds", height=8, width=8, channels=3, labels=names, metrics=metrics)
    page = visits.open(house(models=zoo.publish(tmp_path, breeds), port=0).url)
    choose(page, photo("up"))
    expect(page.locator(".bars li")).to_have_count(5)
    expect(page.locator("article figure")).to_have_text("Mistaken mostbreed 3 taken for breed 7: 5")
    page.locator("article summary").click()
    expect(page.locator("article details")).to_contain_text("breed 29 and 10 more")


def test_a_name_is_text_and_never_markup(page, photo: Photo):
    name = "<img src=x onerror=alert(1)>.jpg"
    choose(page, photo("up", name), photo("left"))
    expect(page.locator("#name")).to_have_text(name)
    expect(page.locator(".tile .caption").first).to_have_text(name)


@pytest.mark.parametrize("name", ["scan.tif", "phone.heic"])
def test_a_format_that_the_browser_cannot_show_is_answered(page, zoo, name):
    """Chromium shows neither."""
    if name == "scan.tif":
        data = zoo.encode(zoo.lit("right"), "TIFF")
    else:
        made = BytesIO()
        pillow_heif = pytest.importorskip("pillow_heif", reason="needs the extra heif")
        pillow_heif.from_pillow(zoo.lit("right", (64, 48))).save(made)
        data = made.getvalue()
    choose(page, {"name": name, "mimeType": "", "buffer": data})
    expect(page.locator(".headline")).to_have_text(HEADLINES["right"])
    expect(page.locator(".unseen")).to_be_visible()


def test_a_version_that_is_loaded_meanwhile_is_told(visits, house, zoo, tmp_path, photo: Photo):
    root = zoo.publish(tmp_path, zoo.orientation(), zoo.selfie())
    changing = house(models=root, port=0, admin_token="secret")
    page = visits.open(changing.url)
    choose(page, photo("up"))
    expect(page.locator(".facts tr").first).to_have_text("orientationversion 1CPU")
    zoo.publish(root, zoo.orientation(version=2, description="The newer one."))
    load = Request(f"{changing.url}/v2/repository/models/orientation/load", b"{}", {"Authorization": "Bearer secret"})
    urlopen(load).close()
    choose(page, photo("left"))
    expect(page.locator(".facts tr").first).to_have_text("orientationversion 2CPU")
    expect(page.locator("article").first).to_contain_text("The newer one.")
