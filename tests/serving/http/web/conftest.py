"""A real Chromium before a real server. The page may ask nobody else, break no policy, and throw nothing."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from threading import Event, Thread
from urllib.parse import urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, FilePayload, Page, expect, sync_playwright

from serving.access.listening import listen
from serving.http.app import create_app
from serving.http.server import Server
from serving.service import PredictionService
from serving.settings import Settings

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PATIENCE_MS = 20_000
INSECURE_HOST = "photos.test"
CARDS_METRICS = {
    "data_sha256": "0" * 64,
    "images": 400,
    "accuracy": 0.95,
    "accuracy_interval": (0.93, 0.97),
    "labels": {side: {"precision": 0.95, "recall": 0.95, "support": 100} for side in ("up", "right", "down", "left")},
    "confusion_matrix": [[95, 2, 2, 1], [1, 95, 2, 2], [2, 1, 95, 2], [2, 2, 1, 95]],
    "certain_share": 0.8,
    "certain_accuracy": 0.995,
    "reliability": [{"probability": p, "accuracy": p - 0.02, "images": int(100 * p)} for p in (0.4, 0.6, 0.8, 0.95)],
    "risk_coverage": [{"coverage": 1.0, "accuracy": 0.95}, {"coverage": 0.5, "accuracy": 0.99}],
}


@dataclass
class House:
    """A server that can be looked into, stopped and started again at the same address."""

    settings: Settings
    service: PredictionService
    url: str
    stop: Callable[[], None]


@contextmanager
def housing(settings: Settings) -> Iterator[House]:
    app = create_app(settings)
    ready = Event()
    server = Server(app, listen("127.0.0.1", settings.port), settings, on_ready=lambda _: ready.set())
    thread = Thread(target=server.serve_until_stopped)
    thread.start()

    def stop() -> None:
        server.should_exit = True
        thread.join(30)

    try:
        assert ready.wait(30)
        yield House(settings, app.state.service, server.url, stop)
    finally:
        stop()


@pytest.fixture
def house() -> Iterator[Callable[..., House]]:
    """Starts servers of the test's own."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(housing(Settings(**settings)))


@pytest.fixture(scope="session")
def page_models(tmp_path_factory: pytest.TempPathFactory, zoo) -> Path:
    """A compass, a gauge, and a third classifier that the page has never heard of."""
    scene = zoo.of_shape("scene", height=8, width=8, channels=3, labels=("kitchen", "old_town", "forest"))
    orientation = zoo.orientation(description="Which side has the sky.", limits="Not for owls.", metrics=CARDS_METRICS)
    return zoo.publish(tmp_path_factory.mktemp("page-models"), orientation, zoo.selfie(), scene)


@pytest.fixture(scope="session")
def page_url(page_models: Path) -> Iterator[str]:
    with housing(Settings(models=page_models, port=0)) as house:
        yield house.url


@pytest.fixture(scope="session")
def camera_photo(photographs: dict[str, bytes]) -> bytes:
    """What Chromium's camera sees: the astronaut, lying on her side."""
    astronaut = Image.open(BytesIO(photographs["astronaut"])).convert("RGB")
    scene = astronaut.transpose(Image.Transpose.ROTATE_270).resize((640, 480))
    buffer = BytesIO()
    scene.save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory, camera_photo: bytes) -> Iterator[Browser]:
    """Ends with each file: while Playwright runs, its event loop keeps other files' tests from having one."""
    if CHROMIUM is None:
        pytest.skip("the page's tests need Chromium: apt-get install chromium")
    film = tmp_path_factory.mktemp("camera") / "film.mjpeg"
    film.write_bytes(camera_photo * 2)
    arguments = [
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={film}",
        f"--host-resolver-rules=MAP {INSECURE_HOST} 127.0.0.1",
    ]
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)


@dataclass
class Visits:
    """Pages that are watched while they are open."""

    browser: Browser
    url: str
    contexts: list[BrowserContext] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def open(self, url: str | None = None, **options) -> Page:
        """Opens the page in a fresh profile."""
        address = urlsplit(url or self.url)
        origin = f"{address.scheme}://{address.netloc}"
        context = self.browser.new_context(
            **({"reduced_motion": "reduce"} | options)
        )  # motion costs time and tells nothing
        self.contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        context.on("request", lambda request: self._is_ours(request.url, origin))
        page = context.new_page()
        page.on("console", self._read)
        page.on("filechooser", lambda _: None)  # Chromium begins to report them late, if only once one is expected
        page.on("pageerror", lambda error: self.wrong.append(f"thrown: {error}"))
        page.goto(f"{origin}{address.path}/")
        return page

    def close(self) -> None:
        for context in self.contexts:
            context.close()
        assert not self.wrong

    def _is_ours(self, url: str, origin: str) -> None:
        if not url.startswith((f"{origin}/", f"blob:{origin}/")):
            self.wrong.append(f"asked for {url}")

    def _read(self, message: ConsoleMessage) -> None:
        # Chromium itself logs each answer that is an error; those are the tests' subject.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.wrong.append(f"console: {message.text}")


@pytest.fixture
def visits(browser: Browser, page_url: str) -> Iterator[Visits]:
    watched = Visits(browser, page_url)
    yield watched
    watched.close()


@pytest.fixture
def page(visits: Visits) -> Page:
    return visits.open()


@pytest.fixture(scope="session")
def photo(zoo) -> Callable[..., FilePayload]:
    """A photo of a landscape whose sky lies at this side; ``size`` as it is stored."""

    def make(side: str, name: str | None = None, size: tuple[int, int] = (320, 240), **options) -> FilePayload:
        data = zoo.encode(zoo.lit(side, size), quality=90, **options)
        return {"name": name or f"{side}.jpg", "mimeType": "image/jpeg", "buffer": data}

    return make


@pytest.fixture(scope="session")
def unsure() -> FilePayload:
    """A photo that is the same from all sides."""
    buffer = BytesIO()
    Image.new("RGB", (200, 150), (120, 130, 140)).save(buffer, "PNG")
    return {"name": "fog.png", "mimeType": "image/png", "buffer": buffer.getvalue()}
