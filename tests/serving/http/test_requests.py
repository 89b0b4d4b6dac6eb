"""What people really send, with habits from other servers' manuals: each is answered, or told what to do instead."""

import gzip
import json
from base64 import b64encode, encodebytes, urlsafe_b64encode
from time import perf_counter

import httpx
import pytest

ORIENTATION = "/v1/models/orientation:predict"
SEVERAL = "/v1/predict"
UPRIGHT = "/v1/upright"
FORM_TYPE = {"Content-Type": "multipart/form-data; boundary=cut"}
URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}
PYDANTIC = ("Input should", "Value error", "Extra inputs", "Field required", "validation error", "unable to parse")


@pytest.fixture(scope="module")
def photo(photographs) -> bytes:
    return photographs["china"]


@pytest.fixture(scope="module")
def b64(photo) -> str:
    return b64encode(photo).decode()


@pytest.fixture(scope="module")
def answer(client, photo) -> dict:
    """The plain one, to the photo as it is."""
    return client.post(ORIENTATION, content=photo).json()


def part(data: bytes, disposition: str, headers: str = "") -> bytes:
    return f"--cut\r\nContent-Disposition: form-data; {disposition}\r\n{headers}\r\n".encode() + data + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join([*parts, b"--cut--\r\n"])


def refusal(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    body = response.json()
    assert body.keys() == {"error", "error_type"}
    assert not [words for words in PYDANTIC if words in body["error"]]
    assert len(body["error"]) < 500
    return body["error"]


@pytest.mark.parametrize("name", ["file", "image", "images", "img", "upload", "image[]", "image[0]", "photo", ""])
def test_every_file_of_a_form_is_an_image_whatever_its_name(client, photo, answer, name):
    assert client.post(ORIENTATION, files=[(name, ("x", photo, "x/y"))]).json() == answer


def test_files_of_different_names_keep_their_order(client, zoo):
    files = [(name, (name, zoo.png(name))) for name in ("left", "up", "down")]
    rows = client.post(ORIENTATION, files=files).json()["predictions"]
    assert [row["label"] for row in rows] == ["left", "up", "down"]


def test_all_readings_of_base64_are_one(client, photo, answer):
    for text in (
        encodebytes(photo).decode(),
        urlsafe_b64encode(photo).decode().rstrip("="),
        "data:image/jpeg;base64," + b64encode(photo).decode(),
    ):
        response = client.post(ORIENTATION, json={"instances": [{"b64": text}]})
        assert response.json() == {"predictions": answer["predictions"]}


def test_plain_json_gets_the_plain_answer(client, b64, answer):
    for body in ({"image": b64}, {"images": [b64]}, {"image": {"b64": b64}}, {"images": [{"b64": b64}]}, {"b64": b64}):
        assert client.post(ORIENTATION, json=body).json() == answer
    two = client.post(ORIENTATION, json={"images": [b64, {"b64": b64}]}).json()
    assert two["predictions"] == answer["predictions"] * 2
    assert client.post(SEVERAL, json={"image": b64}).json()["results"]["orientation"] == answer


def test_rows_and_columns_take_any_name_for_the_one_input(client, b64, answer):
    rows = {"predictions": answer["predictions"]}
    for row in (b64, {"b64": b64}, {"image": b64}, {"image_bytes": {"b64": b64}}, {"photo": b64}):
        assert client.post(ORIENTATION, json={"instances": [row]}).json() == rows
    columns = client.post(ORIENTATION, json={"inputs": {"image": [{"b64": b64}]}}).json()
    assert columns["outputs"]["label"] == [answer["predictions"][0]["label"]]
    for inputs in (b64, [b64], {"b64": b64}, {"image": {"b64": b64}}, {"images": [{"b64": b64}]}, {"x": [b64]}):
        assert client.post(ORIENTATION, json={"inputs": inputs}).json() == columns


@pytest.mark.parametrize("key", ["17", 17, None, True, 0.5])
def test_a_key_comes_back_beside_its_answer(client, b64, answer, key):
    [prediction] = answer["predictions"]
    for row in ({"image_bytes": {"b64": b64}, "key": key}, {"b64": b64, "key": key}):
        rows = client.post(ORIENTATION, json={"instances": [row, b64]}).json()["predictions"]
        assert rows == [prediction | {"key": key}, prediction | {"key": None}]
    bad = client.post(ORIENTATION, json={"instances": [b64, {"b64": "AAAA", "key": key}]}).json()["predictions"][1]
    assert (bad["error_type"], bad["key"]) == ("UnsupportedImageError", key)


def test_a_key_that_json_has_no_room_for_is_refused(client, b64):
    """1e400 is read as infinity, which is no JSON."""
    body = json.dumps({"instances": [{"b64": b64, "key": "here"}]}).replace('"here"', "1e400")
    assert refusal(client.post(ORIENTATION, content=body), 400) == "instances[0].key is too large a number"


def test_a_long_text_in_the_place_of_a_short_one_is_told(client, b64):
    for parameters, name in (({"exif": "a" * 20_000}, "exif"), ({"models": ["a" * 20_000]}, "models")):
        sentence = refusal(client.post("/v1/predict", json={"image": b64, "parameters": parameters}), 400)
        assert sentence == f"the parameter {name} is a longer text than is allowed"


def test_keys_come_back_as_a_column(client, b64):
    outputs = client.post(ORIENTATION, json={"inputs": {"image": [b64, b64], "key": ["a", "b"]}}).json()["outputs"]
    assert outputs["key"] == ["a", "b"]
    sentence = refusal(client.post(ORIENTATION, json={"inputs": {"image": [b64], "key": ["a", "b"]}}), 400)
    assert sentence == "inputs.key has 2 entries for 1 image; one for each is needed"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"image_url": "http://127.0.0.1:1/x.jpg"}, "image_url is an address, and Loupe fetches none; send the photo"),
        ({"image_url": {"url": "https://example.org/x.jpg"}}, "image_url is an address"),
        ({"image": "http://127.0.0.1:1/x.jpg"}, "image is an address"),
        ({"instances": [{"b64": "http://127.0.0.1:1/x.jpg"}]}, "instances[0].b64 is an address"),
        ({"instances": [{"image": {"url": "gs://b/x.jpg"}}]}, "instances[0].image is an address"),
        ({"instances": [{"b64": "photo.jpg"}]}, "instances[0].b64 is the name of a file; wanted is the file itself"),
        ({}, "the JSON body has no photo; one of instances, inputs, image, images is needed, such as {"),
        ([], "the JSON body is a list; wanted is an object such as {"),
        ({"image": "AAAA", "images": ["AAAA"]}, "the JSON body has 'image' and 'images'; one of"),
        (
            {"instance": ["AAAA"]},
            "the JSON body has 'instance'; did you mean 'instances'? Allowed are: instances",
        ),
        ({"instances": {"b64": "AAAA"}}, "instances is an object; wanted is a list, such as {"),
        ({"instances": [[1.0, 2.0]]}, "instances[0] is a list; an image is base64 text, such as {"),
        ({"instances": [5]}, "instances[0] is a number; an image is base64 text"),
        ({"instances": [None]}, "instances[0] is null; an image is base64 text"),
        ({"instances": [{}]}, "instances[0] has nothing; there is one input, 'image', and beside it perhaps 'key'"),
        ({"instances": [{"a": "AAAA", "b": "AAAA"}]}, "instances[0] has 'a', 'b'; there is one input"),
        ({"instances": [{"image": {"b64": "AAAA", "x": 1}}]}, "instances[0].image has 'b64', 'x'; an image is {'b64'"),
        ({"instances": [{"b64": "AAAA", "key": []}]}, "instances[0].key is a list; it may be text, a number"),
        ({"instances": [{"b64": "no base64!"}]}, "instances[0].b64 is not base64; wanted is a photo such as {"),
        ({"instances": []}, "the request holds no image; send one as the body (curl --data-binary @photo.jpg)"),
        ({"image": "AAAA", "parameters": 5}, "parameters is a number; wanted is an object"),
    ],
)
def test_json_that_is_not_right_says_what_is(client, body, sentence):
    assert refusal(client.post(ORIENTATION, json=body), 400).startswith(sentence)


def test_parameters_may_stand_in_the_body(client, b64, photo):
    for answer in (
        client.post(ORIENTATION, params={"top_k": 2}, json={"instances": [b64]}),
        client.post(ORIENTATION, json={"instances": [b64], "parameters": {"top_k": 2, "exif": None}}),
        client.post(ORIENTATION, params={"top_k": 2}, json={"instances": [b64], "parameters": {"top_k": 2}}),
        client.post(ORIENTATION, files={"image": photo}, data={"top_k": "2", "csrf": "x", "model": "selfie"}),
    ):
        assert len(answer.json()["predictions"][0]["probabilities"]) == 2, answer.text
    for models in ("selfie", ["selfie"], " selfie ,"):
        body = {"instances": [b64], "parameters": {"models": models}}
        assert list(client.post(SEVERAL, json=body).json()["results"]) == ["selfie"]
    assert list(client.post(SEVERAL, files={"image": photo}, data={"models": "selfie"}).json()["results"]) == ["selfie"]


@pytest.mark.parametrize(
    ("path", "parameters", "sentence"),
    [
        (ORIENTATION, {"topk": 1}, "there is no parameter 'topk' here; did you mean 'top_k'? Allowed are: top_k, exif"),
        (ORIENTATION, {"method": "foo"}, "there is no parameter 'method' here; allowed are: top_k, exif"),
        (ORIENTATION, {"models": "selfie"}, "there is no parameter 'models' here; allowed are: top_k, exif"),
        (SEVERAL, {"model": "selfie"}, "there is no parameter 'model' here; did you mean 'models'? Allowed are: "),
        (
            UPRIGHT,
            {"methd": "pixels"},
            "there is no parameter 'methd' here; did you mean 'method'?",
        ),
        (ORIENTATION, {"top_k": "0"}, "the query parameter top_k must be at least 1; '0' was given"),
        (
            ORIENTATION,
            {"top_k": "many"},
            "the query parameter top_k must be a whole number such as 5; 'many'",
        ),
        (ORIENTATION, {"exif": "no"}, "the query parameter exif must be 'apply' or 'ignore'; 'no' was given"),
        (UPRIGHT, {"method": "x"}, "the query parameter method must be 'tag' or 'pixels'; 'x' was given"),
        (SEVERAL, {"models": ""}, "the parameter models is empty; leave it out for all default models, or name some"),
    ],
)
def test_a_parameter_that_is_not_known_is_refused_with_the_nearest(client, photo, path, parameters, sentence):
    assert refusal(client.post(path, params=parameters, content=photo), 400).startswith(sentence)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"topk": 1}, "there is no parameter 'topk' here; did you mean 'top_k'?"),
        ({"top_k": 0}, "the parameter top_k must be at least 1; 0 was given"),
        ({"exif": "ignore"}, "the parameter exif is given twice, by query and in the body, and differs"),
    ],
)
def test_so_is_one_in_the_body(client, b64, parameters, sentence):
    body = {"instances": [b64], "parameters": parameters}
    assert refusal(client.post(ORIENTATION, params={"exif": "apply"}, json=body), 400).startswith(sentence)


def test_other_calls_take_what_probes_append(client):
    for path in ("/health?x=1", "/health/ready?probe=k8s", "/metrics?name[]=x", "/v1/models?topk=1"):
        assert client.get(path).status_code == 200


def test_the_first_bytes_decide_not_the_type(client, photo, b64, answer):
    for media_type in (
        "binary/octet-stream",
        "application/x-binary",
        "video/mp4",
        "application/json",
        "text/plain",
        "x",
    ):
        assert client.post(ORIENTATION, content=photo, headers={"Content-Type": media_type}).json() == answer
    document = b"\xef\xbb\xbf \n" + json.dumps({"image": b64}).encode()
    for media_type in ("text/plain;charset=UTF-8", "image/jpeg", "application/octet-stream", "application/vnd.x+json"):
        assert client.post(ORIENTATION, content=document, headers={"Content-Type": media_type}).json() == answer
    assert client.post(ORIENTATION, content=document).json() == answer


def test_bodies_that_are_no_image_say_what_they_are(client, photo, b64):
    for body, headers, sentence in (
        (
            f"data={b64}".encode(),
            URLENCODED,
            "the body is a form's text (data=…); send a file, curl --form",
        ),
        (
            b64.encode(),
            {},
            'the body is base64 text; send it as JSON, {"image": "…"}, or the photo',
        ),
        (b"data:image/jpeg;base64," + b64.encode(), {}, "the body is base64 text"),
        (b"http://127.0.0.1:1/x.jpg", {}, "the body is an address, and Loupe fetches none"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj", {}, "the body is a PDF, not a photo; send its pages as photos"),
        (b"%PDF-1.4\n1 0 obj", {}, "the body is a PDF, not a photo"),
        (b"<!DOCTYPE html><p>", {}, "the body is a page (HTML or XML), not a photo"),
        (
            b"@photo.jpg",
            URLENCODED,
            "the body is text, not a photo; send the photo itself: curl --data-bin",
        ),
        (form(part(photo, 'name="image"; filename="x"')), {}, "the body is a form whose Content-Type is not multipart"),
    ):
        assert refusal(client.post(ORIENTATION, content=body, headers=headers), 415).startswith(sentence)


def test_a_form_without_a_boundary_says_what_the_client_forgot(client, photo):
    response = client.post(ORIENTATION, content=photo, headers={"Content-Type": "multipart/form-data"})
    assert refusal(response, 400).startswith("the Content-Type is multipart/form-data without a boundary; leave that")


def test_a_photo_that_curl_has_stripped_is_told(client, photo, zoo):
    for whole in (photo, zoo.png()):
        stripped = whole.translate(None, b"\r\n\0")  # what curl --data @photo.jpg sends
        sentence = refusal(client.post(ORIENTATION, content=stripped, headers=URLENCODED), 422)
        assert sentence.endswith("send it with curl --data-binary @photo.jpg")


def test_a_part_without_a_files_name_is_read_by_its_first_bytes(client, photo, answer):
    body = form(part(photo, 'name="upload"'), part(b"orientation", 'name="model"'), part(b"", 'name="x"; filename=""'))
    assert client.post(ORIENTATION, content=body, headers=FORM_TYPE).json() == answer


def test_the_charset_of_a_file_means_nothing(client, photo, answer):
    body = form(part(photo, 'name="image"; filename="x"', "Content-Type: image/jpeg; charset=nonsense\r\n"))
    assert client.post(ORIENTATION, content=body, headers=FORM_TYPE).json() == answer
    for charset in ("nonsense", "rot13", "idna", "punycode"):
        headers = {"Content-Type": f"multipart/form-data; charset={charset}; boundary=cut"}
        sentence = refusal(client.post(ORIENTATION, content=body, headers=headers), 400)
        assert sentence == f"the form's charset '{charset}' is unknown; leave it out, or say utf-8"


def test_a_forgotten_at_sign_is_named(client):
    sentence = refusal(
        client.post(ORIENTATION, content=form(part(b"my photo.jpg", 'name="image"')), headers=FORM_TYPE), 400
    )
    assert "curl wants an @ before it: curl --form image=@photo.jpg" in sentence
    assert "my photo" not in sentence


@pytest.mark.parametrize("encoding", ["br", "zstd"])
def test_other_encodings_of_the_body_are_refused(client, photo, encoding):
    response = client.post(ORIENTATION, content=photo, headers={"Content-Encoding": encoding})
    assert "allowed are gzip and deflate" in refusal(response, 415)


def test_csv_is_not_offered(client, photo, answer):
    files = [("image", photo)] * 2
    for path in (ORIENTATION, SEVERAL):
        wanted = client.post(path, files=files, headers={"Accept": "text/csv"})
        assert wanted.headers["content-type"] == "application/json"
        assert wanted.json() == client.post(path, files=files).json()
    assert client.post(ORIENTATION, content=photo, headers={"Accept": "text/csv"}).json() == answer


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready", "/", "/docs", "/metrics", "/v1/models"])
def test_head_gets_what_get_gets_without_a_body(client, path):
    head, get = client.head(path), client.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == get.headers["content-type"]
    if path != "/metrics":  # which grows
        assert head.headers["content-length"] == str(len(get.content))
    assert client.head("/nope").status_code == 404
    assert client.head(ORIENTATION).status_code == 405


@pytest.mark.parametrize("path", [f"{ORIENTATION}/", f"//v1{ORIENTATION[3:]}", "/v1//models/orientation:predict//"])
def test_a_slash_too_many_is_passed_over(client, photo, answer, path):
    assert client.post(str(client.base_url).rstrip("/") + path, content=photo).json() == answer


@pytest.mark.parametrize("of", ["", "/versions/1", "/labels/stable"])
def test_predictions_are_posted(client, of):
    path = f"/v1/models/orientation{of}:predict"
    response = client.get(path)
    assert refusal(response, 405) == f"GET {path}: Method Not Allowed; allowed: POST"
    assert response.headers["Allow"] == "POST"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/models/orientation/labels", "GET, HEAD, PUT"),
        ("/v1/models/orientation", "GET, HEAD"),
        ("/health/live", "GET, HEAD"),
        ("/", "GET, HEAD"),
        ("/v2/repository/index", "POST"),
    ],
)
def test_all_methods_of_an_address_are_told(client, path, allowed):
    answer = client.delete(path)
    assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)


def test_calls_of_tensorflow_serving_that_take_features_are_told(client):
    for verb in ("classify", "regress"):
        sentence = refusal(client.post(f"/v1/models/orientation:{verb}", json={"examples": [{"x": 1}]}), 400)
        assert sentence.endswith("send photos to POST /v1/models/orientation:predict")


@pytest.mark.parametrize(
    ("method", "path", "call"),
    [
        ("POST", "/predict", "POST /v1/predict"),
        ("POST", "/v1/predictions", "POST /v1/predict"),
        ("POST", "/v1/models/orientation/predict", "POST /v1/models/orientation:predict"),
        ("POST", "/v1/models/orientation:predcit", "POST /v1/models/orientation:predict"),
        ("POST", "/v1/models/selfie/infer", "POST /v2/models/selfie/infer"),
        ("GET", "/healthz", "GET /health"),
        ("GET", "/v1/model/selfie", "GET /v1/models/selfie"),
        ("GET", "/v1/model", "GET /v1/models"),
    ],
)
def test_a_wrong_address_names_the_nearest_call(client, method, path, call):
    sentence = refusal(client.request(method, path), 404)
    assert sentence == f"{method} {path}: Not Found; did you mean {call}? All calls are at /docs"


def test_a_server_without_a_page_is_alive_all_the_same(serve_with):
    assert serve_with(web=False).get("/").json() == {"status": "alive"}


LINES = {"Accept": "application/x-ndjson"}


def test_lines_are_one_a_photo_in_order(client, zoo):
    photos = [zoo.png("left", (1500, 1500)), b"\0 no image", zoo.png("down"), zoo.png("up")]
    files = [("image", (str(number), data)) for number, data in enumerate(photos)]
    for path in (ORIENTATION, SEVERAL, f"{SEVERAL}?models=selfie&top_k=1"):
        whole = client.post(path, files=files).json()
        response = client.post(path, files=files, headers=LINES)
        assert (response.status_code, response.headers["content-type"]) == (200, "application/x-ndjson")
        lines = [json.loads(line) for line in response.text.splitlines()]
        if path == ORIENTATION:
            assert lines == [whole | {"predictions": [row]} for row in whole["predictions"]]
        for name, answer in whole.get("results", {}).items():
            rows = [line["results"][name] for line in lines]
            assert rows == [answer | {"predictions": [row]} for row in answer["predictions"]]
    [line] = client.post(ORIENTATION, content=photos[0], headers=LINES).text.splitlines()
    assert json.loads(line) == client.post(ORIENTATION, content=photos[0]).json()


def test_lines_come_as_photos_are_answered(serve_with, zoo):
    """The first one is there long before the last one is decoded."""
    client = serve_with(threads=1)
    slow = zoo.png("up", (5000, 5000))
    files = [("image", ("0", zoo.png("left"))), *(("image", (str(number), slow)) for number in range(6))]
    with client.stream("POST", ORIENTATION, files=files, headers=LINES) as response:
        arrived = [perf_counter() for _ in response.iter_lines()]
    assert len(arrived) == 7
    assert arrived[-1] - arrived[0] > 2 * (arrived[-1] - arrived[-2])
    assert "loupe_held_images 0" in client.get("/metrics").text


def test_what_fails_before_the_first_line_has_its_status(client, b64, zoo):
    for status, request in (
        (415, {"content": b"\0 no image"}),
        (400, {"json": {"instances": []}}),
        (413, {"json": {"images": [b64] * 65}}),
        (404, {"content": zoo.png(), "params": {"models": "nope"}}),
    ):
        refusal(client.post(SEVERAL, headers=LINES, **request), status)


def test_rows_keep_their_keys_in_lines(client, b64):
    body = {"instances": [{"b64": b64, "key": "a"}, {"b64": b64, "key": "b"}]}
    lines = client.post(ORIENTATION, json=body, headers=LINES).text.splitlines()
    assert [json.loads(line)["predictions"][0]["key"] for line in lines] == ["a", "b"]


def _infer(datatype: str, element: bytes, count: int) -> bytes:
    head = f'{{"inputs":[{{"name":"image","datatype":"{datatype}","shape":[1],"data":['
    return head.encode() + b",".join([element] * count) + b"]}]}"


BOMBS = {
    "instances of nothing": b'{"instances":[' + b'{"b64":""},' * 6_000_000 + b'{"b64":""}]}',
    "lists in lists": b'{"inputs":[{"name":"image","datatype":"UINT8","shape":[1],"data":['
    + b",".join([b"[" * 180 + b"]" * 180] * 185_000)
    + b"]}]}",
    "numbers": b'{"inputs":[{"name":"image","datatype":"UINT8","shape":[1],"data":[' + b"1," * 33_000_000 + b"1]}]}",
    "empty photos": b'{"inputs":[{"name":"image","datatype":"BYTES","shape":[1],"data":['
    + b'"",' * 22_000_000
    + b'""]}]}',
}


@pytest.mark.parametrize("name", BOMBS)
def test_millions_of_values_are_refused_before_they_are_made(serve_with, name):
    """67 MB, gzipped to 130 kB, took 5 GB and 33 s to a minute; the loop was frozen all the while."""
    client = serve_with(threads=1)
    before = memory(client)
    path = ORIENTATION if "instances" in name else "/v2/models/orientation/infer"
    response = client.post(path, content=gzip.compress(BOMBS[name], 1), headers={"Content-Encoding": "gzip"})
    assert "more" in refusal(response, 413)
    assert response.elapsed.total_seconds() < 10
    assert memory(client) - before < 400_000_000


def test_so_are_millions_of_empty_photos_in_a_binary_tensor(serve_with):
    client = serve_with(threads=1)
    image = {"name": "image", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": 60_000_000}}
    head = json.dumps({"inputs": [image]}).encode()
    before = memory(client)
    headers = {"Inference-Header-Content-Length": str(len(head))}
    response = client.post("/v2/models/orientation/infer", content=head + bytes(60_000_000), headers=headers)
    assert refusal(response, 413) == "the request has more than the 64 images that are allowed"
    assert memory(client) - before < 400_000_000


def memory(client: httpx.Client) -> int:
    """The most that the process ever had; the server runs in this one."""
    import resource

    client.get("/health/live")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
