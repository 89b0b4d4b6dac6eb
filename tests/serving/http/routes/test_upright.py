import socket
from io import BytesIO
from urllib.parse import urlsplit

import pytest
from PIL import Image

UPRIGHT = "/v1/upright"
TURN = {"up": 0, "right": 270, "down": 180, "left": 90}
ORIENTATION = 274


def tag(data: bytes) -> int | None:
    return Image.open(BytesIO(data)).getexif().get(ORIENTATION)


def label(client, data: bytes) -> str:
    [prediction] = client.post("/v1/models/orientation:predict", content=data).json()["predictions"]
    return prediction["label"]


@pytest.fixture(params=["JPEG", "PNG", "WEBP", "TIFF"])
def kind(request) -> str:
    return request.param


@pytest.mark.parametrize("method", ["tag", "pixels"])
@pytest.mark.parametrize("side", ["right", "down", "left"])
def test_a_photo_comes_back_upright(client, zoo, kind, method, side):
    data = zoo.encode(zoo.lit(side, (64, 48)), kind)
    response = client.post(UPRIGHT, params={"method": method}, content=data)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == f"image/{kind.lower()}"
    assert response.headers["Loupe-Rotated-Clockwise"] == str(TURN[side])
    assert response.headers["Loupe-Certain"] == "true"
    assert float(response.headers["Loupe-Probability"]) > 0.9
    done = "reencoded" if kind == "WEBP" else {"tag": "tag", "pixels": "lossless"}[method]
    assert response.headers["Loupe-Method"] == done
    assert "inference;dur=" in response.headers["Server-Timing"]
    assert label(client, response.content) == "up"
    assert Image.open(BytesIO(response.content)).format == kind
    size = (48, 64) if done != "tag" and side != "down" else (64, 48)
    if kind != "TIFF":  # Pillow turns those on its own
        assert Image.open(BytesIO(response.content)).size == size


@pytest.mark.parametrize("method", ["tag", "pixels"])
def test_a_second_call_changes_nothing(client, zoo, kind, method):
    data = zoo.encode(zoo.lit("left", (64, 48)), kind)
    once = client.post(UPRIGHT, params={"method": method}, content=data).content
    assert once != data
    twice = client.post(UPRIGHT, params={"method": method}, content=once)
    assert twice.content == once
    assert (twice.headers["Loupe-Rotated-Clockwise"], twice.headers["Loupe-Method"]) == ("0", "none")


@pytest.mark.parametrize("method", ["tag", "pixels"])
def test_an_upright_photo_comes_back_byte_for_byte(client, zoo, kind, method):
    data = zoo.encode(zoo.lit("up", (64, 48)), kind)
    response = client.post(UPRIGHT, params={"method": method}, content=data)
    assert response.content == data
    assert response.headers["Loupe-Certain"] == "true"
    assert response.headers["Loupe-Method"] == "none"


@pytest.mark.parametrize("method", ["tag", "pixels"])
def test_an_uncertain_photo_comes_back_byte_for_byte(client, zoo, method):
    """Grey all over, and tagged: not even its tag is baked in."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    data = zoo.encode(Image.new("RGB", (64, 48), "grey"), "JPEG", exif=exif)
    response = client.post(UPRIGHT, params={"method": method}, content=data)
    assert response.content == data
    assert response.headers["Loupe-Certain"] == "false"
    assert (response.headers["Loupe-Rotated-Clockwise"], response.headers["Loupe-Method"]) == ("0", "none")


def test_the_old_tag_counts(client, zoo):
    """The sky is stored at the left and the tag says so; then the tag is wrong and says that it is at the right."""
    for orientation, turn, after in ((6, 0, 6), (8, 180, 6), (5, 0, 5), (7, 180, 5)):
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        data = zoo.encode(zoo.lit("left", (64, 48)), "JPEG", exif=exif)
        response = client.post(UPRIGHT, content=data)
        assert response.headers["Loupe-Rotated-Clockwise"] == str(turn)
        assert tag(response.content) == after
        assert (response.content == data) == (turn == 0)


@pytest.mark.parametrize(
    ("kind", "method", "done"), [("JPEG", "pixels", "lossless"), ("WEBP", "tag", "reencoded")], ids=["JPEG", "WEBP"]
)
def test_an_upright_photo_s_tag_is_baked_in(client, zoo, kind, method, done):
    """Into a WebP's pixels by default, as no browser heeds its tag."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    data = zoo.encode(zoo.lit("left", (64, 48)), kind, exif=exif)
    response = client.post(UPRIGHT, params={"method": method}, content=data)
    assert (response.headers["Loupe-Rotated-Clockwise"], response.headers["Loupe-Method"]) == ("0", done)
    assert tag(response.content) == 1
    assert Image.open(BytesIO(response.content)).size == (48, 64)
    assert label(client, response.content) == "up"


def test_a_turn_that_the_model_then_denies_is_not_kept(serve_with, zoo, tmp_path):
    models = zoo.publish(tmp_path, zoo.stubborn())
    data = zoo.encode(zoo.lit("left", (64, 48)), "JPEG")
    response = serve_with(models=models).post(UPRIGHT, content=data)
    assert response.content == data
    assert (response.headers["Loupe-Rotated-Clockwise"], response.headers["Loupe-Certain"]) == ("0", "false")


def test_all_forms_of_a_body_are_read(client, zoo):
    data = zoo.png("left", (64, 48))
    answer = client.post(UPRIGHT, content=data).content
    assert client.post(UPRIGHT, files={"image": data}).content == answer
    assert client.post(UPRIGHT, content=data, headers={"Content-Type": "image/png"}).content == answer


def test_errors_are_one_sentence(client, zoo):
    frames = [zoo.lit("up"), zoo.lit("down")]
    animated = zoo.encode(frames[0], "WEBP", save_all=True, append_images=frames[1:])
    photo = zoo.png("left")
    for status, error_type, request in (
        (415, "UnsupportedImageError", {"content": animated}),
        (415, "UnsupportedImageError", {"content": zoo.encode(frames[0], "BMP")}),
        (415, "UnsupportedImageError", {"content": zoo.encode(frames[0], "GIF")}),
        (415, "UnsupportedImageError", {"content": b"no image"}),
        (422, "UndecodableImageError", {"content": photo[:-20]}),
        (400, "RequestError", {"content": b""}),
        (400, "RequestError", {"files": [("image", photo), ("image", photo)]}),
        (400, "RequestError", {"content": photo, "params": {"method": "magic"}}),
        (
            504,
            "DeadlineExceededError",
            {"content": zoo.png("left", (5000, 5000)), "headers": {"Request-Timeout": "0.1"}},
        ),
    ):
        response = client.post(UPRIGHT, **request)
        assert (response.status_code, response.json()["error_type"]) == (status, error_type), request.keys()
        assert "\n" not in response.json()["error"]


def test_what_is_turned_is_told_by_the_names_that_people_use(client, zoo):
    refused = client.post("/v1/upright", content=zoo.encode(zoo.lit("left"), "GIF")).json()["error"]
    assert refused == "GIF files are not turned; allowed are JPEG, PNG, WEBP, TIFF, HEIC, AVIF"


def test_limits_keys_and_models_are_those_of_predict(serve_with, zoo, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("secret\n")
    guarded = serve_with(api_keys_file=keys)
    assert guarded.post(UPRIGHT, content=zoo.png()).status_code == 401
    assert guarded.post(UPRIGHT, content=zoo.png(), headers={"X-API-Key": "secret"}).status_code == 200
    small = serve_with(max_image_bytes=2000, max_image_pixels=10_000)
    assert small.post(UPRIGHT, content=zoo.png(size=(101, 100))).status_code == 413
    alone = serve_with(models=zoo.publish(tmp_path / "models", zoo.selfie()))
    assert alone.post(UPRIGHT, content=zoo.png()).status_code == 404


def test_an_answer_counts_until_it_is_read(serve_with, zoo):
    data = zoo.encode(zoo.lit("left", (3000, 3000)), "PNG", compress_level=0)
    limit = int(len(data) * 1.2)
    client = serve_with(max_image_bytes=limit, max_request_bytes=limit, max_held_bytes=limit)
    address = urlsplit(str(client.base_url))
    with socket.create_connection((address.hostname, address.port), timeout=30) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        slow.sendall(f"POST {UPRIGHT} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
        assert slow.recv(12) == b"HTTP/1.1 200"
        assert client.post(UPRIGHT, content=data).status_code == 429
    while client.post(UPRIGHT, content=data).status_code == 429:  # until the server notices that it left
        pass


def test_openapi_tells_of_it(client):
    operation = client.get("/openapi.json").json()["paths"][UPRIGHT]["post"]
    assert set(operation["responses"]["200"]["headers"]) >= {"Loupe-Certain", "Loupe-Method"}
    assert {"400", "413", "415", "429", "504"} <= operation["responses"].keys()
