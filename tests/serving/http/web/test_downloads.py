"""Upright photos, one by one and in a zip that the browser makes."""

from io import BytesIO
from zipfile import ZIP_STORED, ZipFile

import numpy as np
from PIL import Image, ImageOps
from playwright.sync_api import Page, expect

SIDES = ("up", "right", "down", "left")


def is_upright(data: bytes) -> bool:
    """Whether a viewer shows the sky on top."""
    pixels = np.asarray(ImageOps.exif_transpose(Image.open(BytesIO(data))).convert("L"), float)
    middle = len(pixels) // 2
    return pixels[:middle].mean() > 1.5 * pixels[middle:].mean()


def answered(page: Page, *photos) -> None:
    page.set_input_files("#chooser", list(photos))
    expect(page.locator(".tile[data-verdict=waiting]")).to_have_count(0)


def test_one_photo_comes_back_upright(page, photo):
    sideways = photo("right", "São Paulo.jpg")
    assert not is_upright(sideways["buffer"])
    answered(page, sideways)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download upright").click()
    assert download.value.suggested_filename == "São Paulo.jpg"
    assert is_upright(download.value.path().read_bytes())
    expect(page.locator("#saved")).to_have_text("São Paulo.jpg is saved upright.")


def test_the_zip_holds_every_photo_upright(page, photo, unsure):
    given = [photo(side) for side in SIDES] + [photo("left", "up.jpg"), unsure]
    answered(page, *given)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download 6 as zip, 4 turned upright").click()
    expect(page.locator("#saved")).to_have_text("6 photos saved in upright.zip, 4 of them turned.")
    with ZipFile(download.value.path()) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["up.jpg", "right.jpg", "down.jpg", "left.jpg", "up (2).jpg", "fog.png"]
        assert {entry.compress_type for entry in archive.infolist()} == {ZIP_STORED}
        assert all(is_upright(archive.read(name)) for name in archive.namelist() if name != "fog.png")
        assert archive.read("fog.png") == unsure["buffer"], "what is not certain is left alone"
        assert archive.read("up.jpg") == given[0]["buffer"]


def test_only_what_the_filter_shows_is_in_the_zip(page, photo):
    answered(page, *(photo(side) for side in SIDES))
    page.get_by_role("button", name="Upside down").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download 1 as zip").click()
    assert ZipFile(download.value.path()).namelist() == ["down.jpg"]


def test_what_cannot_be_turned_is_in_the_zip_as_it_was(page, photo, zoo):
    """A BMP has no room for an orientation, so /v1/upright refuses it."""
    bitmap = {"name": "old.bmp", "mimeType": "image/bmp", "buffer": zoo.encode(zoo.lit("left"), "BMP")}
    answered(page, bitmap, photo("left"))
    with page.expect_download() as download:
        page.get_by_role("button", name="Download 2 as zip").click()
    expect(page.locator("#saved")).to_contain_text(
        "1 of them turned; 1 of a kind that cannot be turned stayed as given."
    )
    assert ZipFile(download.value.path()).read("old.bmp") == bitmap["buffer"]


def test_a_second_look_that_disagrees_leaves_a_photo_alone(visits, house, zoo, tmp_path, photo):
    """The server judges the turned picture too; this model turns the wrong way, which that finds out."""
    wrong = {"up": 0, "right": 90, "down": 180, "left": 270}
    labels = [{"name": side, "certain_from": 0.9, "attributes": {"rotate_clockwise": wrong[side]}} for side in wrong]
    page = visits.open(house(models=zoo.publish(tmp_path, zoo.orientation(labels=labels)), port=0).url)
    sideways = photo("right")
    answered(page, photo("down"), sideways)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download 2 as zip, 2 turned upright").click()
    expect(page.locator("#saved")).to_contain_text("1 of them turned; 1 stayed as given, as a second look")
    assert ZipFile(download.value.path()).read("right.jpg") == sideways["buffer"]
    page.get_by_role("button", name="Next photo").click()
    page.get_by_role("button", name="Download upright").click()
    expect(page.locator("#saved")).to_contain_text("The photo stays as it is")


def test_folders_keep_their_shape(page, photo):
    """A dropped folder brings paths; none may lead out of the archive."""
    files = [
        ["scans/1998/a.jpg", "right"],
        ["scans/1999/a.jpg", "up"],
        ["../../etc/passwd.jpg", "up"],
        ["..\\..\\x.jpg", ""],
    ]
    with page.expect_download() as download:
        page.evaluate(
            """async (files) => {
              const { Zip } = await import("./web/zip.js");
              const zip = new Zip();
              for (const [path, text] of files) await zip.add(path, new Blob([text]), Date.UTC(2001, 1, 3, 12));
              const link = document.createElement("a");
              Object.assign(link, { href: URL.createObjectURL(zip.finish()), download: "x.zip" }).click();
            }""",
            files,
        )
    with ZipFile(download.value.path()) as archive:
        assert archive.namelist() == ["scans/1998/a.jpg", "scans/1999/a.jpg", "etc/passwd.jpg", "x.jpg"]
        assert archive.read("scans/1998/a.jpg") == b"right"
        assert archive.infolist()[0].date_time[:3] == (2001, 2, 3)


def test_a_download_can_be_cancelled(visits, house, page_models, photo):
    full = house(models=page_models, port=0)
    page = visits.open(full.url)
    answered(page, photo("right"), photo("left"))
    with full.service.images.lease() as take:
        take(full.service.images.limit)
        page.get_by_role("button", name="Download 2 as zip").click()
        expect(page.get_by_role("alert")).to_contain_text("The server is busy")
        expect(page.locator("#progress-text")).to_have_text("Photo 1 of 2")
        page.get_by_role("button", name="Cancel").click()
        expect(page.locator("#saved")).to_have_text("Nothing was saved.")
        expect(page.locator("#progress")).to_be_hidden()


def test_one_photo_that_the_server_will_not_turn(visits, house, page_models, photo):
    """As it was started anew meanwhile, and takes smaller ones alone."""
    first = house(models=page_models, port=0)
    page = visits.open(first.url)
    answered(page, photo("left"))
    first.stop()
    house(models=page_models, port=int(first.url.rpartition(":")[2]), max_image_pixels=1000)
    page.get_by_role("button", name="Download upright").click()
    expect(page.locator("#saved")).to_contain_text("Nothing was saved: ")
