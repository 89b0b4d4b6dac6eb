"""Both clients against real servers."""

import json
import socket
import threading
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import anyio
import httpx
import numpy as np
import pytest
from PIL import Image

from loupe import errors
from loupe.client import AsyncClient, Client

SIDES = ("up", "right", "down", "left")
Caller = Callable[..., Any]


def synchronously(url: str, call: str, *arguments: object, client: dict[str, Any] | None = None, **named: Any) -> Any:
    with Client(url, **(client or {})) as loupe:
        return getattr(loupe, call)(*arguments, **named)


def asynchronously(url: str, call: str, *arguments: object, client: dict[str, Any] | None = None, **named: Any) -> Any:
    async def ask() -> Any:
        async with AsyncClient(url, **(client or {})) as loupe:
            return await getattr(loupe, call)(*arguments, **named)

    return anyio.run(ask)


@pytest.fixture(params=[synchronously, asynchronously], ids=["Client", "AsyncClient"])
def ask(request: pytest.FixtureRequest) -> Caller:
    """Makes one call with a client of its own; of both kinds."""
    return request.param


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


def labels(answers: list) -> list[str]:
    return ["!" if isinstance(one, errors.ImageError) else one["orientation"].label for one in answers]


def metric(url: str, name: str) -> float:
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


def test_one_photo(ask, url, pictures):
    answer = ask(url, "predict", pictures("right"))
    assert set(answer) == {"orientation", "lit"}
    got = answer["orientation"]
    assert (got.label, got.certain, got.version) == ("right", True, "1")
    assert got.attributes == {"rotate_clockwise": 270}
    assert got.probability == pytest.approx(got.probabilities["right"])
    assert sum(got.probabilities.values()) == pytest.approx(1, abs=1e-5)


def test_it_answers_as_curl_would(ask, url, photographs):
    photo = photographs["rocket"]
    theirs = httpx.post(f"{url}/v1/models/orientation:predict", content=photo).json()["predictions"][0]
    ours = ask(url, "predict", photo, "orientation")["orientation"]
    assert {name: getattr(ours, name) for name in theirs} == theirs


def test_all_kinds_of_photos_at_once_and_in_order(ask, url, pictures, tmp_path: Path):
    (tmp_path / "left.png").write_bytes(pictures("left"))
    down = Image.open(BytesIO(pictures("down")))
    photos = [
        tmp_path / "left.png",
        pictures("up"),
        BytesIO(pictures("right")),
        down,
        np.asarray(down.rotate(180)),
        tmp_path / "none.png",
        b"no photo",
        np.asarray(down.convert("L")),
        pictures("left", kind="JPEG"),
    ]
    answers = ask(url, "predict", photos, ["orientation"])
    assert labels(answers) == ["left", "up", "right", "down", "up", "!", "!", "down", "left"]
    assert [answers[5].error_type, answers[6].error_type] == ["FileNotFoundError", "UnsupportedImageError"]


def test_many_photos_travel_in_several_requests(ask, url, pictures):
    photos = [pictures(SIDES[number % 4]) for number in range(50)]
    before = metric(url, 'loupe_requests_total{model="orientation",protocol="predict"')
    answers = ask(url, "predict", iter(photos), "orientation", client={"max_request_images": 8})
    assert labels(answers) == [SIDES[number % 4] for number in range(50)]
    assert metric(url, 'loupe_requests_total{model="orientation",protocol="predict"') - before == 7


def test_a_service_that_allows_less_is_met_halfway(ask, serve, pictures):
    url = serve(max_request_images=3, max_image_bytes=2000, max_request_bytes=4000)
    photos = [pictures(SIDES[number % 4]) for number in range(20)]
    photos[7] = pictures("up", (300, 300), "BMP")
    assert len(photos[7]) > 4000
    assert labels(ask(url, "predict", photos, "orientation")) == [
        "!" if number == 7 else SIDES[number % 4] for number in range(20)
    ]


def test_a_service_that_refuses_while_megabytes_are_on_their_way_is_met_halfway_too(ask, serve):
    url = serve(max_image_bytes=2_500_000, max_request_bytes=3_000_000)
    answers = ask(url, "predict", [bytes(2_000_000)] * 16, "orientation", client={"max_request_bytes": 40_000_000})
    assert [error.error_type for error in answers] == ["UnsupportedImageError"] * 16


def test_one_photo_that_is_far_too_large_is_told(ask, serve):
    url = serve(max_image_bytes=1_000_000, max_request_bytes=1_000_000)
    with pytest.raises(errors.TooLargeError, match="the body has more than the 1000000 bytes that are allowed"):
        ask(url, "predict", bytes(30_000_000), "orientation")


def test_options_are_heard(ask, url, pictures):
    exif = Image.Exif()
    exif[0x0112] = 3
    photo = pictures("up", kind="JPEG", exif=exif)
    assert ask(url, "predict", photo)["orientation"].label == "down"
    answer = ask(url, "predict", photo, ["orientation"], exif="ignore", top_k=1)
    assert list(answer["orientation"].probabilities) == ["up"]
    assert ask(url, "predict", Image.open(BytesIO(photo)))["orientation"].label == "down"


def test_no_photos_have_no_answers(ask, url):
    assert ask(url, "predict", []) == []


def test_what_is_no_photo_is_the_caller_s_mistake(ask, url, pictures):
    with pytest.raises(TypeError, match="not int"):
        ask(url, "predict", [pictures(), 5])
    with pytest.raises(ValueError, match="several photos are a list"):
        ask(url, "predict", np.zeros((2, 8, 8, 3), np.uint8))


def test_a_cancelled_call_leaves_nothing_behind(serve, pictures):
    url, photos = serve(threads=1), [pictures("up", (3000, 3000))] * 32

    async def hurry() -> bool:
        async with AsyncClient(url, max_request_images=4) as loupe:
            with anyio.move_on_after(0.3) as scope:
                await loupe.predict(photos)
            return scope.cancelled_caught

    assert anyio.run(hurry)
    until = time.monotonic() + 10
    while metric(url, "loupe_held_images ") > 0:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_what_is_served(ask, url):
    [lit, orientation] = ask(url, "models")
    assert (lit.name, lit.labels, orientation.labels) == ("lit", ("above", "right"), SIDES)
    assert orientation.default
    version = ask(url, "version")
    assert version.provider == orientation.provider == version.models["lit"]["provider"]
    health = ask(url, "health")
    assert (health.live, health.ready, health.models) == (True, True, {"lit": True, "orientation": True})


@pytest.mark.parametrize(
    ("call", "error", "error_type", "status"),
    [
        (("predict", b"no photo"), errors.ImageError, "UnsupportedImageError", 415),
        (("predict", "none.jpg"), errors.ImageError, "FileNotFoundError", None),
        (("predict", b"", "orientation"), errors.ImageError, "UnsupportedImageError", None),
        (("predict", b"photo", "cats"), errors.NotFoundError, "ModelNotFoundError", 404),
        (("predict", [b"a", b"b"], "cats"), errors.NotFoundError, "ModelNotFoundError", 404),
    ],
)
def test_errors_say_what_is_wrong(ask, url, call, error, error_type, status):
    with pytest.raises(error) as raised:
        ask(url, *call)
    assert (raised.value.error_type, raised.value.status) == (error_type, status)
    assert " " in str(raised.value)


def test_another_path_is_told(ask, url):
    with pytest.raises(errors.NotFoundError):
        ask(f"{url}/elsewhere", "version")


def test_keys(ask, serve, pictures, tmp_path):
    (tmp_path / "keys").write_text("secret\n")
    url = serve(api_keys_file=tmp_path / "keys")
    with pytest.raises(errors.UnauthorizedError) as raised:
        ask(url, "predict", pictures())
    assert raised.value.status == 401
    assert ask(url, "predict", pictures(), client={"api_key": "secret"})["orientation"].label == "up"


def test_an_impatient_caller_is_told_by_the_service(ask, serve, pictures):
    url = serve(threads=1)
    photos = [pictures("up", (3000, 3000))] * 16
    with pytest.raises(errors.DeadlineError) as raised:
        ask(url, "predict", photos, client={"timeout_s": 0.3})
    assert (raised.value.error_type, raised.value.status) == ("DeadlineExceededError", 504)


def test_a_full_service_is_asked_again(serve, pictures):
    """429s are real: one image has room, and six requests come at once."""
    url = serve(max_queued_images=1, max_request_images=1, threads=1)
    photos = [pictures(SIDES[number % 4], (2500, 2500)) for number in range(6)]
    answers = asynchronously(url, "predict", photos, client={"max_request_images": 1}, concurrency=6)
    assert labels(answers) == [SIDES[number % 4] for number in range(6)]
    assert metric(url, 'loupe_rejected_requests_total{protocol="predict",reason="QueueFullError"}') > 0


def test_without_retries_a_full_service_is_an_error(serve, pictures):
    url = serve(max_queued_images=1, max_request_images=1, threads=1)
    photos = [pictures("up", (2500, 2500))] * 6
    with pytest.raises(errors.BusyError) as raised:
        asynchronously(url, "predict", photos, client={"max_request_images": 1, "retries": 0}, concurrency=6)
    assert (raised.value.error_type, raised.value.status) == ("QueueFullError", 429)


def test_no_more_requests_than_allowed_are_on_their_way(serve, pictures):
    url = serve()
    photos = [pictures("up", (2000, 2000))] * 12
    seen, stop = [], threading.Event()

    def watch() -> None:
        while not stop.is_set():
            seen.append(metric(url, "loupe_held_images "))
            time.sleep(0.01)

    watcher = threading.Thread(target=watch)
    watcher.start()
    asynchronously(url, "predict", photos, client={"max_request_images": 1}, concurrency=2)
    stop.set()
    watcher.join()
    assert 1 <= max(seen) <= 2


def test_a_service_that_is_starting_is_waited_for(ask, serve, pictures, free_port):
    url, answers, patient = f"http://127.0.0.1:{free_port}", [], {"retries": 40}
    thread = threading.Thread(target=lambda: answers.append(ask(url, "predict", pictures("left"), client=patient)))
    thread.start()
    time.sleep(0.3)
    assert answers == []
    serve(port=free_port)
    thread.join(30)
    assert answers[0]["orientation"].label == "left"


def test_nobody_there(ask, free_port):
    said = rf"^http://127.0.0.1:{free_port} cannot be reached: (Connection refused|All connection attempts failed)$"
    with pytest.raises(errors.UnreachableError, match=said):
        ask(f"http://127.0.0.1:{free_port}", "version", client={"retries": 1})


def test_ones_own_http_client_stays_open(url):
    with httpx.Client() as http:
        with Client(url, http=http) as loupe:
            loupe.health()
        assert not http.is_closed


def test_an_upright_photo_comes_back(ask, url, pictures):
    photo = pictures("left", (640, 480), "JPEG")
    turned = ask(url, "upright", photo)
    assert (turned.rotated_clockwise, turned.certain, turned.method) == (90, True, "tag")
    assert turned.probability > 0.9
    assert ask(url, "predict", turned.data)["orientation"].label == "up"
    again = ask(url, "upright", turned.data)
    assert (again.data, again.rotated_clockwise, again.method) == (turned.data, 0, "none")


def test_pixels_are_turned(ask, url, pictures):
    turned = ask(url, "upright", pictures("right", (640, 480), "JPEG"), method="pixels")
    assert turned.method == "lossless"
    assert Image.open(BytesIO(turned.data)).size == (480, 640)
    assert ask(url, "predict", turned.data, exif="ignore")["orientation"].label == "up"


def test_what_cannot_be_turned_is_an_error(ask, url):
    with pytest.raises(errors.ImageError):
        ask(url, "upright", b"no photo")


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_an_address_without_its_scheme_is_told(kind):
    with pytest.raises(ValueError, match=r"^an address begins with http:// or https://, and '127.0.0.1:9711' does not"):
        kind("127.0.0.1:9711")


def test_what_is_no_photo_is_told(ask, url):
    with pytest.raises(TypeError, match=r"^a photo is a path, bytes, .*, not NoneType$"):
        ask(url, "predict", None)
    with pytest.raises(errors.ImageError, match=r"^nope\.jpg cannot be read: No such file or directory$"):
        ask(url, "predict", "nope.jpg")


def test_what_an_answer_hangs_on(ask, url, pictures):
    photo = pictures("left")
    answered = ask(url, "predict", photo)["orientation"]
    got = ask(url, "explain", photo, "orientation")
    assert (got.model, got.label, got.prediction) == ("orientation", "left", answered)
    theirs = httpx.post(f"{url}/v1/models/orientation:explain", content=photo).json()
    assert [list(row) for row in got.fall] == theirs["fall"]
    assert max(theirs["fall"][3]) > 0
    assert ask(url, "explain", photo, "orientation", "right").label == "right"


def test_an_explanation_is_drawn(ask, url, pictures):
    drawn = Image.open(BytesIO(ask(url, "explain_drawn", pictures("left"), "orientation")))
    assert (drawn.format, max(drawn.size)) == ("PNG", 352)


def test_a_service_that_does_not_explain_says_so(ask, serve, pictures):
    with pytest.raises(errors.UnauthorizedError, match="explanations are off"):
        ask(serve(explain=False), "explain", pictures(), "orientation")


def test_a_correction_is_kept(ask, serve, pictures, tmp_path):
    url, photo = serve(feedback=tmp_path), pictures("left")
    said = ask(url, "feedback", photo, "orientation", "up")
    assert (said.model, said.label, said.photo, said.prediction.label) == ("orientation", "up", False, "left")
    [kept] = tmp_path.rglob("*.json")
    assert json.loads(kept.read_text())["right"] == "up"
    with pytest.raises(errors.RequestError, match="has no label 'cat'"):
        ask(url, "feedback", photo, "orientation", "cat")


def test_how_far_photos_have_drifted(ask, url):
    got = ask(url, "drift", "lit")
    assert (got.model, got.version, got.reference_pictures) == ("lit", "1", 4)
    brightness = got.features["brightness"]
    assert (brightness.edges, brightness.reference) == ((100, 200), (0.75, 0.25, 0))
    assert brightness.pictures < got.enough_pictures
    assert brightness.index is brightness.now is None
    assert ask(url, "drift", "lit", "1").model == "lit"
    with pytest.raises(errors.NotFoundError, match="does not say what its own photos look like"):
        ask(url, "drift", "orientation")
