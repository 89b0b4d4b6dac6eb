"""Remakes the README's pictures of the page, of scikit-image's photographs and the shipped models.

``python tests/serving/http/web/screenshots.py`` writes docs/pictures/page.png and page-phone.png; look at them.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

from PIL import Image
from playwright.sync_api import Browser, expect, sync_playwright

from serving.access.listening import listen
from serving.http.app import create_app
from serving.http.server import Server
from serving.settings import Settings

PICTURES = Path(__file__).parents[4] / "docs" / "pictures"
PHOTOS = {"rocket.jpg": 90, "astronaut.png": 0, "coffee.png": 270, "camera.png": 90, "chelsea.png": 180}
"""Files of scikit-image, and how far each is turned clockwise."""
COLOURS = 256  # a palette makes the files a third as large, and the eye sees no difference
DESKTOP = {"viewport": {"width": 1280, "height": 984}, "color_scheme": "light"}
PHONE = {
    "viewport": {"width": 390, "height": 844},
    "color_scheme": "dark",
    "is_mobile": True,
    "device_scale_factor": 1.5,
}


@contextmanager
def serving() -> Iterator[str]:
    settings, ready = Settings(port=0), Event()
    server = Server(create_app(settings), listen("127.0.0.1", 0), settings, on_ready=lambda _: ready.set())
    thread = Thread(target=server.serve_until_stopped)
    thread.start()
    ready.wait()
    try:
        yield server.url
    finally:
        server.should_exit = True
        thread.join()


def turned_photos(folder: Path) -> list[Path]:
    source = Path(find_spec("skimage").origin).parent / "data"
    paths = []
    for name, clockwise in PHOTOS.items():
        path = folder / Path(name).with_suffix(".jpg")
        Image.open(source / name).convert("RGB").rotate(-clockwise, expand=True).save(path, quality=92)
        paths.append(path)
    return paths


def shoot(browser: Browser, url: str, photos: list[Path], name: str, **options) -> None:
    page = browser.new_page(reduced_motion="reduce", **options)
    page.goto(url)
    page.set_input_files("#chooser", photos[1:])
    expect(page.locator(".thumb img")).to_have_count(len(photos) - 1)
    page.set_input_files("#chooser", photos[0])  # alone, so that its latency is that of one photo
    expect(page.locator("#status")).to_have_text(f"{len(photos)} photos answered", timeout=30_000)
    expect(page.locator(".thumb img")).to_have_count(len(photos))
    picture = Image.open(BytesIO(page.screenshot())).convert("RGB")
    palette = picture.quantize(COLOURS, Image.Quantize.MEDIANCUT)
    picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(PICTURES / name, optimize=True)


def main() -> None:
    with serving() as url, TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        photos = turned_photos(Path(folder))
        shoot(browser, url, photos, "page.png", **DESKTOP)
        shoot(browser, url, photos, "page-phone.png", **PHONE)


if __name__ == "__main__":
    main()
