import json
import socket
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from models.heif import reads_heif

ORIENTATION = "/v1/models/orientation:predict"


def b64(data: bytes) -> dict[str, str]:
    return {"b64": b64encode(data).decode()}


def parts(*images: bytes):
    return [("image", (f"{number}.jpg", data, "image/jpeg")) for number, data in enumerate(images)]


@pytest.fixture(params=["china", "coffee"])
def photo(request, photographs):
    """A JPEG and a PNG."""
    return photographs[request.param]


def test_all_forms_of_one_photo_get_one_answer(client, photo):
    urlencoded = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = client.post(ORIENTATION, content=photo, headers={"Content-Type": "image/jpeg"}).json()
    assert (answer["model"], answer["version"]) == ("orientation", "1")
    for other in (
        client.post(ORIENTATION, content=photo),
        client.post(ORIENTATION, content=photo, headers=urlencoded),
        client.post(ORIENTATION, content=photo, headers={"Content-Type": "Application/Octet-Stream; x=y"}),
        client.post(ORIENTATION, content=iter([photo[:1000], photo[1000:]])),
        client.post(ORIENTATION, files=parts(photo)),
        client.post("/v1/models/orientation/versions/1:predict", content=photo),
        client.post(ORIENTATION, content=photo, params={"exif": "ignore"}),
    ):
        assert other.status_code == 200
        assert other.json() == answer
    predictions = answer["predictions"]
    for body in ({"instances": [b64(photo)]}, {"instances": [{"image": b64(photo)}], "signature_name": "x"}):
        assert client.post(ORIENTATION, json=body).json() == {"predictions": predictions}
        assert (
            client.post(ORIENTATION, content=json.dumps(body), headers=urlencoded).json()["predictions"] == predictions
        )
    [prediction] = predictions
    for body in ({"inputs": {"image": [b64(photo)]}}, {"inputs": [b64(photo)]}):
        assert client.post(ORIENTATION, json=body).json() == {
            "outputs": {
                "label": [prediction["label"]],
                "probability": [prediction["probability"]],
                "certain": [prediction["certain"]],
                "labels": [list(prediction["probabilities"])],
                "probabilities": [list(prediction["probabilities"].values())],
                "attributes": [prediction["attributes"]],
            }
        }


def test_quarter_turns_are_told(client, zoo):
    for side, turn in {"up": 0, "right": 270, "down": 180, "left": 90}.items():
        [prediction] = client.post(ORIENTATION, content=zoo.png(side, (640, 480))).json()["predictions"]
        assert (prediction["label"], prediction["certain"]) == (side, True)
        assert prediction["attributes"] == {"rotate_clockwise": turn}
        assert prediction["probability"] == max(prediction["probabilities"].values())


def test_several_models_answer_at_once(client, photo):
    single = {
        name: client.post(f"/v1/models/{name}:predict", content=photo).json() for name in ("orientation", "selfie")
    }
    both = client.post("/v1/predict", content=photo).json()["results"]
    assert both["orientation"] == single["orientation"]
    assert both["selfie"]["version"] == "3"
    named = client.post("/v1/predict", params={"models": "selfie, orientation"}, content=photo)
    assert named.json()["results"] == both
    assert list(named.json()["results"]) == ["selfie", "orientation"]
    assert client.post("/v1/predict?models=selfie", json={"instances": [b64(photo)]}).json() == {
        "results": {"selfie": single["selfie"]}
    }


def test_many_images_keep_their_order_and_a_bad_one_its_place(client, zoo):
    images = [zoo.png("left"), b"no image", zoo.png("down")]
    error = {
        "error": "the data is not an image that is served; allowed are JPEG, MPO, PNG, WEBP, GIF, BMP, TIFF, "
        + ("HEIC and AVIF" if reads_heif() else "and with the extra `heif` HEIC and AVIF"),
        "error_type": "UnsupportedImageError",
    }
    multipart = client.post(ORIENTATION, files=parts(*images))
    assert multipart.status_code == 200
    left, bad, down = multipart.json()["predictions"]
    assert (left["label"], bad, down["label"]) == ("left", error, "down")
    rows = client.post(ORIENTATION, json={"instances": [b64(image) for image in images]}).json()
    assert rows == {"predictions": [left, bad, down]}
    columns = client.post(ORIENTATION, json={"inputs": {"image": [b64(image) for image in images]}}).json()["outputs"]
    assert columns["label"] == ["left", None, "down"]
    assert columns["error_type"] == [None, "UnsupportedImageError", None]
    several = client.post("/v1/predict", files=parts(*images)).json()["results"]
    assert several["selfie"]["predictions"][1] == error


def test_top_k_keeps_the_likeliest(client, zoo):
    answer = client.post(ORIENTATION, params={"top_k": 1}, content=zoo.png("down")).json()
    assert list(answer["predictions"][0]["probabilities"]) == ["down"]


def test_server_timing_names_the_steps(client, zoo):
    header = client.post(ORIENTATION, content=zoo.png()).headers["Server-Timing"]
    steps = dict(part.split(";dur=") for part in header.split(", "))
    assert list(steps) == ["decode", "preprocess", "queue", "inference"]
    assert all(float(duration) >= 0 for duration in steps.values())


@pytest.mark.parametrize(
    ("status", "error_type", "path", "request_"),
    [
        (400, "RequestError", ORIENTATION, {"content": b""}),
        (400, "RequestError", ORIENTATION, {"json": {"instances": []}}),
        (400, "RequestError", ORIENTATION, {"json": {"inputs": {"photo": []}}}),
        (400, "RequestError", ORIENTATION, {"json": {}}),
        (400, "RequestError", ORIENTATION, {"json": {"instances": [{"b64": "no base64!"}]}}),
        (400, "RequestError", ORIENTATION, {"json": {"instances": [{"b64": "AAAAA"}]}}),
        (400, "RequestError", ORIENTATION, {"json": {"instances": [{"b64": 5}]}}),
        (400, "RequestError", ORIENTATION, {"json": {"instances": [[1.0, 2.0]]}}),
        (400, "RequestError", ORIENTATION, {"content": b"{", "headers": {"Content-Type": "application/json"}}),
        (400, "RequestError", ORIENTATION, {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}),
        (404, "ModelNotFoundError", "/v1/models/nope:predict", {"content": b"x"}),
        (404, "ModelNotFoundError", "/v1/models/orientation/versions/2:predict", {"content": b"x"}),
        (404, "ModelNotFoundError", "/v1/predict?models=orientation,nope", {"content": b"x"}),
        (400, "RequestError", "/v1/predict?models=", {"content": b"x"}),
        (413, "RequestTooLargeError", ORIENTATION, {"files": parts(*[b"x"] * 65)}),
        (415, "UnsupportedImageError", ORIENTATION, {"content": b"no image"}),
        (415, "UnsupportedImageError", ORIENTATION, {"files": parts(b"no image")}),
        (415, "UnsupportedImageError", ORIENTATION, {"json": {"instances": [b64(b"no image")]}}),
        (415, "UnsupportedImageError", ORIENTATION, {"content": b"x", "headers": {"Content-Type": "text/plain"}}),
        (
            422,
            "UndecodableImageError",
            ORIENTATION,
            {"content": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2"},
        ),
        (400, "RequestError", ORIENTATION + "?top_k=0", {"content": b"x"}),
        (400, "RequestError", ORIENTATION + "?exif=maybe", {"content": b"x"}),
        (400, "RequestError", ORIENTATION, {"content": b"x", "headers": {"Request-Timeout": "-1"}}),
    ],
)
def test_errors_are_one_sentence(client, status, error_type, path, request_):
    response = client.post(path, **request_)
    body = response.json()
    assert (response.status_code, body["error_type"]) == (status, error_type)
    assert body.keys() == {"error", "error_type"}
    assert "\n" not in body["error"]


def test_a_cut_off_photo_is_undecodable(client, photographs):
    photo = photographs["china"]
    response = client.post(ORIENTATION, content=photo[: len(photo) // 2])
    assert (response.status_code, response.json()["error_type"]) == (422, "UndecodableImageError")
    assert "% of it is there" in response.json()["error"]
    assert client.post(ORIENTATION, content=photo[:-2]).json() == client.post(ORIENTATION, content=photo).json()


def test_a_cut_off_form_is_malformed(client, zoo):
    request = client.build_request("POST", ORIENTATION, files=parts(zoo.png(), zoo.png()))
    body = request.read()
    for cut in (10, 100, len(body) // 2 + 40):
        content_type = {"Content-Type": request.headers["Content-Type"]}
        response = client.post(ORIENTATION, content=body[:-cut], headers=content_type)
        assert (response.status_code, response.json()["error_type"]) == (400, "RequestError")


def test_images_beyond_the_limits_are_too_large(serve_with, zoo):
    client = serve_with(max_image_bytes=2000, max_image_pixels=10_000)
    for data in (zoo.png(size=(101, 100)), b"\0" * 2001):
        response = client.post(ORIENTATION, content=data)
        assert (response.status_code, response.json()["error_type"]) == (413, "ImageTooLargeError")
    assert response.headers["Connection"] == "close"  # there may be more of it on its way


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_beyond_the_limit_is_not_read(serve_with, declared):
    client = serve_with(max_request_bytes=100_000, max_image_bytes=100_000)
    data = b"x" * 3_000_000
    response = client.post(ORIENTATION, content=data if declared else iter([data[:150_000]] * 20))
    assert (response.status_code, response.json()["error_type"]) == (413, "RequestTooLargeError")
    assert response.headers["Connection"] == "close"
    assert client.get("/health/ready").status_code == 200


def test_a_full_house_says_when_to_come_again(serve_with, zoo):
    client = serve_with(max_queued_images=2, max_request_images=2, threads=1)
    slow, url = zoo.encode(zoo.lit(size=(6000, 6000)), "PNG"), ORIENTATION
    with ThreadPoolExecutor(12) as pool:
        responses = list(pool.map(lambda _: client.post(url, content=slow), range(12)))
    statuses = [response.status_code for response in responses]
    assert set(statuses) == {200, 429}
    full = responses[statuses.index(429)]
    assert (full.headers["Retry-After"], full.json()["error_type"]) == ("1", "QueueFullError")
    assert client.post(url, content=slow).status_code == 200


def test_bodies_beyond_the_budget_are_refused(serve_with, zoo):
    limit = 200_000
    client = serve_with(max_held_bytes=limit, max_request_bytes=limit, max_image_bytes=limit)
    address = urlsplit(str(client.base_url))
    with socket.create_connection((address.hostname, address.port)) as slow:
        head = f"POST {ORIENTATION} HTTP/1.1\r\nHost: x\r\nContent-Length: {limit}\r\n\r\n"
        slow.sendall(head.encode() + b"x" * (limit - 1))
        response = client.post(ORIENTATION, content=zoo.encode(zoo.lit(size=(400, 400)), "BMP")[:150_000])
        while response.status_code == 422:  # until the slow body has arrived
            response = client.post(ORIENTATION, content=zoo.encode(zoo.lit(size=(400, 400)), "BMP")[:150_000])
    assert (response.status_code, response.json()["error_type"]) == (429, "QueueFullError")


def test_a_deadline_is_kept(serve_with, client, zoo):
    image = zoo.png(size=(4000, 4000))
    late = serve_with(request_timeout_s=0.001, threads=1)
    for response in (
        late.post(ORIENTATION, files=parts(image, image)),
        client.post(ORIENTATION, files=parts(image, image), headers={"Request-Timeout": "0.001"}),
    ):
        assert (response.status_code, response.json()["error_type"]) in (
            (504, "DeadlineExceededError"),
            (408, "RequestTimeoutError"),
        )


def test_a_body_that_does_not_come_is_given_up(serve_with):
    address = urlsplit(str(serve_with(request_timeout_s=0.3).base_url))
    with socket.create_connection((address.hostname, address.port), timeout=30) as stalled:
        stalled.sendall(f"POST {ORIENTATION} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc".encode())
        answer = b""
        while chunk := stalled.recv(4096):  # until the server closes
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"RequestTimeoutError"' in answer


def test_clients_at_once_get_their_own_answers(client, zoo):
    """Mixed sizes of requests, so that batches mix the images of many."""
    wrong = []

    def ask(number: int) -> None:
        sides = [zoo.sides[(number + step) % 4] for step in range(number % 5 + 1)]
        images = [zoo.png(side, (32 + 16 * number, 48)) for side in sides]
        answer = client.post(ORIENTATION, files=parts(*images)).json()
        if [prediction["label"] for prediction in answer["predictions"]] != sides:
            wrong.append((number, answer))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(80)))
    assert wrong == []


def test_a_client_that_leaves_disturbs_nobody(client, url, zoo):
    address = urlsplit(url)
    for _ in range(5):
        with socket.create_connection((address.hostname, address.port)) as leaving:
            leaving.sendall(f"POST {ORIENTATION} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc".encode())
    assert client.post(ORIENTATION, content=zoo.png("left")).json()["predictions"][0]["label"] == "left"
