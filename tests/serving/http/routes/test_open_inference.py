"""The protocol byte by byte; tests/serving/protocols/clients/ proves it with clients that others wrote."""

import gzip
import json
import zlib
from base64 import b64encode
from time import process_time

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

INFER = "/v2/models/orientation/infer"
HEADER = "Inference-Header-Content-Length"


def pixels(zoo, *sides: str) -> np.ndarray:
    return np.stack([np.asarray(zoo.lit(side)) for side in sides])


def call(data, shape: list[int], datatype: str = "UINT8", **more) -> dict[str, object]:
    return {"inputs": [{"name": "image", "datatype": datatype, "shape": shape, "data": data}], **more}


def binary(tensor: bytes, shape: list[int], datatype: str = "UINT8", **more) -> dict[str, object]:
    """What httpx is to post: the JSON and a binary tensor behind it."""
    parameters = {"binary_data_size": len(tensor)}
    image = {"name": "image", "datatype": datatype, "shape": shape, "parameters": parameters}
    header = json.dumps({"inputs": [image], **more}).encode()
    return {"content": header + tensor, "headers": {HEADER: str(len(header))}}


def photo_call(*photos: bytes, **more) -> dict[str, object]:
    return call([b64encode(photo).decode() for photo in photos], [len(photos)], "BYTES", **more)


def native(client: httpx.Client, *photos: bytes) -> list[float]:
    files = [("image", (str(number), photo)) for number, photo in enumerate(photos)]
    predictions = client.post("/v1/models/orientation:predict", files=files).json()["predictions"]
    return [value for prediction in predictions for value in prediction["probabilities"].values()]


def test_server_and_model_tell_what_they_are(client):
    server = client.get("/v2").json()
    assert (server["name"], server["extensions"]) == (
        "loupe",
        ["binary_tensor_data", "classification", "model_configuration", "model_repository", "statistics"],
    )
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    for path in ("/v2/models/orientation", "/v2/models/orientation/versions/1"):
        assert client.get(f"{path}/ready").json() == {"name": "orientation", "ready": True}
        assert client.get(path).json() == {
            "name": "orientation",
            "versions": ["1"],
            "platform": "onnx_onnxv1",
            "inputs": [{"name": "image", "datatype": "UINT8", "shape": [-1, 32, 32, 3]}],
            "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 4]}],
        }


def test_a_photo_in_any_form_gets_the_native_answer(client, photographs):
    photo = photographs["china"]
    expected = {
        "model_name": "orientation",
        "model_version": "1",
        "outputs": [
            {"name": "probabilities", "datatype": "FP32", "shape": [1, 4], "data": native(client, photo)},
        ],
    }
    framed = len(photo).to_bytes(4, "little") + photo
    for request in (
        {"json": photo_call(photo)},
        {"json": call([[b64encode(photo).decode()]], [1, 1], "BYTES")},
        {"json": photo_call(photo, outputs=[{"name": "probabilities"}], parameters=None, id=None)},
        {"content": photo, "headers": {HEADER: "0"}},
        {"content": photo, "headers": {HEADER: "0", "Content-Type": "image/jpeg"}},
        {"content": gzip.compress(photo), "headers": {HEADER: "0", "Content-Encoding": "gzip"}},
        {"content": zlib.compress(json.dumps(photo_call(photo)).encode()), "headers": {"Content-Encoding": "deflate"}},
        binary(framed, [1], "BYTES"),
        binary(framed, [1, 1], "BYTES"),
    ):
        response = client.post(INFER, **request)
        assert (response.status_code, response.json()) == (200, expected)
        assert client.post("/v2/models/orientation/versions/1/infer", **request).json() == expected


def test_ready_made_tensors_get_the_native_answer(client, zoo):
    sides = ["left", "up", "down"]
    expected = native(client, *(zoo.png(side) for side in sides))
    tensor = pixels(zoo, *sides)
    for request in (
        {"json": call(tensor.tolist(), [3, 32, 32, 3])},
        {"json": call(tensor.ravel().tolist(), [3, 32, 32, 3])},
        binary(tensor.tobytes(), [3, 32, 32, 3]),
    ):
        [output] = client.post(INFER, **request).json()["outputs"]
        assert (output["shape"], output["data"]) == ([3, 4], expected)


def test_server_timing_names_the_steps(client, zoo):
    for request in ({"json": photo_call(zoo.png())}, binary(pixels(zoo, "up").tobytes(), [1, 32, 32, 3])):
        header = client.post(INFER, **request).headers["Server-Timing"]
        assert [part.split(";")[0] for part in header.split(", ")] == ["decode", "preprocess", "queue", "inference"]


@pytest.mark.parametrize("given", ["42", 42])
def test_the_id_comes_back(client, zoo, given):
    assert client.post(INFER, json=photo_call(zoo.png(), id=given)).json()["id"] == "42"


def test_statistics_are_those_of_the_metrics(serve_with, zoo):
    client = serve_with()
    for photo in (zoo.png(), b"no image"):
        client.post(INFER, content=photo, headers={HEADER: "0"})
    [one] = client.get("/v2/models/orientation/versions/1/stats").json()["model_stats"]
    spent = one["inference_stats"]
    assert (one["inference_count"], one["execution_count"]) == (1, 1)
    assert (spent["success"]["count"], spent["fail"]["count"], spent["cache_hit"]["count"]) == (1, 1, 0)
    scraped = dict(line.rsplit(" ", 1) for line in client.get("/metrics").text.splitlines() if line[0] != "#")
    of_it = 'model="orientation",protocol="open_inference"'
    seconds = float(scraped[f'loupe_request_stage_duration_seconds_sum{{{of_it},stage="inference",version="1"}}'])
    assert spent["compute_infer"] == {"count": 2, "ns": round(seconds * 1e9)}
    all_s = float(scraped[f'loupe_request_duration_seconds_sum{{{of_it},version="1"}}'])
    assert spent["success"]["ns"] + spent["fail"]["ns"] == pytest.approx(all_s * 1e9, abs=2)
    assert client.get("/v2/models/orientation/stats").json() == {"model_stats": [one]}
    names = [stat["name"] for stat in client.get("/v2/models/stats").json()["model_stats"]]
    assert names == ["orientation", "selfie"]
    for path in ("/v2/models/nope/stats", "/v2/models/selfie/versions/1/stats", "/v2/models/nope/config"):
        assert client.get(path).status_code == 404


def test_version_0_is_the_default_one(client, zoo):
    for path in ("/v2/models/selfie", "/v2/models/selfie/config", "/v1/models/selfie", "/v1/models/selfie/metadata"):
        of_version = path.replace("selfie", "selfie/versions/0")
        assert client.get(of_version).json() == client.get(path).json()
    for path in ("/v2/models/selfie/versions/0/infer", "/v1/models/selfie/versions/0:predict"):
        answer = client.post(path, content=zoo.png(), headers={HEADER: "0"}).json()
        assert "3" in (answer.get("model_version"), answer.get("version"))


@pytest.mark.parametrize(
    "path",
    ["logging", "trace/setting", "models/selfie/trace/setting", "systemsharedmemory/status", "cudasharedmemory/x"],
)
def test_other_extensions_of_triton_say_that_they_are_not_offered(client, path):
    answer = client.get(f"/v2/{path}")
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("Loupe does not offer ")


@pytest.mark.parametrize(
    "wanted",
    [
        {"parameters": {"binary_data_output": True}},
        {"outputs": [{"name": "probabilities", "parameters": {"binary_data": True}}]},
        {
            "parameters": {"binary_data_output": False},
            "outputs": [{"name": "probabilities", "parameters": {"binary_data": True}}],
        },
    ],
)
def test_binary_outputs_lie_behind_the_json(client, zoo, wanted):
    response = client.post(INFER, json=photo_call(zoo.png("left"), zoo.png("up"), **wanted))
    length = int(response.headers[HEADER])
    assert response.headers["Content-Type"] == "application/octet-stream"
    [output] = json.loads(response.content[:length])["outputs"]
    assert output == {
        "name": "probabilities",
        "datatype": "FP32",
        "shape": [2, 4],
        "parameters": {"binary_data_size": 32},
    }
    values = np.frombuffer(response.content[length:], "<f4")
    assert values == pytest.approx(native(client, zoo.png("left"), zoo.png("up")), abs=1e-6)


def test_classification_names_the_likeliest_first(client, zoo):
    outputs = [{"name": "probabilities", "parameters": {"classification": 2}}]
    [output] = client.post(INFER, json=photo_call(zoo.png("down"), zoo.png("left"), outputs=outputs)).json()["outputs"]
    assert (output["datatype"], output["shape"]) == ("BYTES", [2, 2])
    down, _, left, _ = (text.split(":") for text in output["data"])
    assert (down[1:], left[1:]) == (["2", "down"], ["3", "left"])
    probability = max(native(client, zoo.png("down")))
    assert float(down[0]) == probability
    outputs = [{"name": "probabilities", "parameters": {"classification": 99}}]
    assert client.post(INFER, json=photo_call(zoo.png(), outputs=outputs)).json()["outputs"][0]["shape"] == [1, 4]


def test_exif_may_be_ignored(client, zoo):
    image = zoo.lit("left")
    exif = image.getexif()
    exif[0x0112] = 6  # a viewer turns it 90° clockwise
    data = zoo.encode(image, exif=exif)
    outputs = [{"name": "probabilities", "parameters": {"classification": 1}}]
    for parameters, label in (({}, "up"), ({"exif": "ignore"}, "left")):
        answer = client.post(INFER, json=photo_call(data, outputs=outputs, parameters=parameters)).json()
        assert answer["outputs"][0]["data"][0].endswith(f":{label}")


def test_a_timeout_that_is_longer_than_time_is_none(client, zoo):
    """10^400 microseconds are a whole number, and too large for a fraction."""
    body = json.dumps(photo_call(zoo.png("left"), parameters={"timeout": 10**400}))
    answer = client.post(INFER, content=body)
    assert answer.status_code == 200
    assert answer.json()["outputs"][0]["data"] == pytest.approx(native(client, zoo.png("left")), abs=1e-6)


def test_a_bad_image_fails_the_whole_call(client, zoo):
    response = client.post(INFER, json=photo_call(zoo.png(), b"no image", zoo.png()))
    assert response.status_code == 400
    assert response.json()["error"].startswith("image 2 of 3: the data is not an image that is served")


def output(name: str = "probabilities", **parameters) -> list[dict[str, object]]:
    return [{"name": name, "parameters": parameters}]


GREY = {"data": [0] * 1024, "shape": [1, 32, 32, 1]}
PHOTO = {"data": ["AAAA"], "shape": [1], "datatype": "BYTES"}


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({"content": b""}, "the body is no JSON object"),
        ({"content": b"{"}, "the body is no JSON: EOF while parsing an object at line 1 column 1"),
        ({"content": b"\xff\xd8\xff photo"}, "with `Inference-Header-Content-Length: 0` it may be an encoded photo"),
        ({"content": b"", "headers": {HEADER: "0"}}, "calls for 1 element; the data have 0"),
        ({"content": b"{}", "headers": {HEADER: "3"}}, "is '3'; allowed are whole numbers up to the body's 2 bytes"),
        ({"content": b"{}", "headers": {HEADER: "-1"}}, "is '-1'; allowed are whole numbers"),
        ({"content": b"{}", "headers": {HEADER: "²".encode()}}, "allowed are whole numbers"),
        ({"content": b"[]"}, "the body is a list; wanted is an object with `inputs`"),
        ({"json": {}}, "malformed at inputs: is missing"),
        ({"json": {"inputs": []}}, "the inputs are none; exactly one is allowed, 'image'"),
        ({"json": {"inputs": call([1], [1])["inputs"] * 2}}, "the inputs are 'image', 'image'; exactly one"),
        ({"json": call("AAAA", [1], "BYTES")}, "malformed at inputs.0.data: must be a list, such as"),
        ({"json": call([], [0], "BYTES")}, "the request holds no image"),
        ({"json": call(None, [1], "BYTES")}, "the input image has no data"),
        ({"json": call(["AAAAA"], [1], "BYTES")}, "is not base64"),
        ({"json": call([1], [1], "BYTES")}, "is not a string"),
        ({"json": call([[], 0], [0], "BYTES")}, "is not a string"),
        ({"json": call([["AAAA"], "AAAA"], [2], "BYTES")}, "is not a string"),
        ({"json": call(["AAAA"], [2], "BYTES")}, "the shape [2] calls for 2 elements; the data have 1"),
        (
            {"json": call(["AAAA"], [1, 2], "BYTES")},
            "the input image is BYTES [1, 2]; allowed are UINT8 [n, 32, 32, 3]",
        ),
        ({"json": call(GREY["data"], GREY["shape"])}, "the input image is UINT8 [1, 32, 32, 1]; allowed are"),
        ({"json": call([0.5] * 3072, [1, 32, 32, 3])}, "are not whole numbers from 0 to 255"),
        ({"json": call([256] * 3072, [1, 32, 32, 3])}, "are not whole numbers from 0 to 255"),
        ({"json": call(["0"] * 3072, [1, 32, 32, 3])}, "are not whole numbers from 0 to 255"),
        ({"json": call([[0], 1], [1, 32, 32, 3])}, "are not whole numbers from 0 to 255"),
        ({"json": call([0], [1, 32, 32, 3])}, "the shape [1, 32, 32, 3] calls for 3,072 elements; the data have 1"),
        ({"json": call([0], [-1, 32, 32, 3])}, "malformed at inputs.0.shape.0"),
        ({"json": call([0.5], [1, 32, 32, 3], "FP32")}, "the input image is FP32 [1, 32, 32, 3]; allowed are UINT8"),
        ({"json": call(**PHOTO, outputs=output("logits"))}, "the outputs 'logits' are wanted; there is one"),
        ({"json": call(**PHOTO, outputs=output(classification=-1))}, "classification is -1"),
        ({"json": call(**PHOTO, outputs=output(classification=True))}, "it must be a int"),
        ({"json": call(**PHOTO, outputs=output(binary_data=1))}, "it must be a bool"),
        ({"json": call(**PHOTO, outputs=output(shared_memory_region="x"))}, "shared memory, which is not offered"),
        ({"json": call(**PHOTO, parameters={"exif": "maybe"})}, "allowed are 'apply' and 'ignore'"),
        ({"json": call(**PHOTO, parameters={"exif": "a" * 20_000})}, "exif is a longer text than is allowed"),
        ({"json": call(**PHOTO, id="a" * 20_000)}, "malformed at id: is a longer text than is allowed"),
        (binary(b"\x01\x00\x00\x00", [1], "BYTES"), "ends in the middle of an element"),
        (binary(b"\x01\x00", [1], "BYTES"), "ends in the middle of an element"),
        (binary(b"123", [1, 32, 32, 3]), "calls for 3,072 elements; the data have 3"),
        ({"content": b'{"inputs": []}x', "headers": {HEADER: "14"}}, "1 byte behind the JSON, of no input"),
        ({"content": b"no gzip", "headers": {"Content-Encoding": "gzip"}}, "is not compressed with gzip"),
        ({"content": gzip.compress(b"{}")[:-1], "headers": {"Content-Encoding": "gzip"}}, "the gzip body is cut off"),
        ({"content": zlib.compress(b"{}") + b"x", "headers": {"Content-Encoding": "deflate"}}, "behind the end"),
    ],
)
def test_a_malformed_call_is_one_sentence(client, request_, sentence):
    response = client.post(INFER, **request_)
    assert (response.status_code, response.json()["error_type"]) == (400, "RequestError")
    assert sentence in response.json()["error"]


def test_other_errors_have_their_statuses(client):
    for status, error_type, response in (
        (404, "ModelNotFoundError", client.get("/v2/models/nope")),
        (404, "ModelNotFoundError", client.get("/v2/models/selfie/versions/1/ready")),
        (404, "ModelNotFoundError", client.post("/v2/models/selfie/versions/x/infer", content=b"")),
        (413, "RequestTooLargeError", client.post(INFER, json=call(["AAAA"] * 65, [65], "BYTES"))),
        (413, "RequestTooLargeError", client.post(INFER, **binary(bytes(65 * 3072), [65, 32, 32, 3]))),
        (413, "RequestTooLargeError", client.post(INFER, content=b"[" + b"0," * 300_000)),
        (415, "UnsupportedImageError", client.post(INFER, content=b"x", headers={"Content-Encoding": "br"})),
        (504, "DeadlineExceededError", client.post(INFER, json=call(**PHOTO, parameters={"timeout": 1}))),
    ):
        assert (response.status_code, response.json()["error_type"]) == (status, error_type)


def test_lists_that_are_no_tensors_are_not_looked_at_for_long(client):
    """Each had been looked at on its own, before all were counted: 67 MB, 80 kB packed, for ten seconds."""
    started = process_time()
    response = client.post(INFER, content=b'{"inputs":[' + b'"data":[' * 6_000_000)
    assert (response.status_code, response.json()["error_type"]) == (413, "RequestTooLargeError")
    assert process_time() - started < 4


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress])
def test_a_bomb_is_not_inflated_beyond_the_limit(serve_with, compress):
    client = serve_with(max_request_bytes=1_000_000, max_image_bytes=1_000_000)
    encoding = {gzip.compress: "gzip", zlib.compress: "deflate"}[compress]
    bomb = compress(bytes(200_000_000))
    response = client.post(INFER, content=bomb, headers={"Content-Encoding": encoding})
    assert (response.status_code, response.json()["error_type"]) == (413, "RequestTooLargeError")


def test_every_predict_call_takes_compressed_bodies(client, zoo):
    plain = client.post("/v1/models/orientation:predict", content=zoo.png("left")).json()
    packed = gzip.compress(zoo.png("left") + bytes(1_000_000))  # larger than a piece; PNG ends before the zeros
    response = client.post("/v1/models/orientation:predict", content=packed, headers={"Content-Encoding": "GZIP"})
    assert response.json() == plain


TENSOR = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["image", "x"]),
        "datatype": st.sampled_from(["UINT8", "BYTES", "FP32"]),
        "shape": st.lists(st.sampled_from([0, 1, 2, 3, 32, 2**62]), max_size=5),
    },
    optional={
        "parameters": st.dictionaries(
            st.sampled_from(["binary_data_size", "x"]), st.integers(-1, 3100) | st.none() | st.text(max_size=3)
        ),
        "data": st.recursive(
            st.integers() | st.text(max_size=8) | st.floats() | st.none(), lambda inner: st.lists(inner, max_size=4)
        ),
    },
)
OUTPUTS = st.lists(
    st.fixed_dictionaries(
        {"name": st.just("probabilities")},
        optional={
            "parameters": st.dictionaries(
                st.sampled_from(["binary_data", "classification"]), st.booleans() | st.integers() | st.text(max_size=3)
            )
        },
    ),
    max_size=2,
)
DOCUMENTS = st.fixed_dictionaries({"inputs": st.lists(TENSOR, max_size=2)}, optional={"outputs": OUTPUTS}).map(
    lambda document: json.dumps(document).encode()
)


@settings(deadline=None, max_examples=300)
@given(document=DOCUMENTS | st.binary(max_size=40), rest=st.binary(max_size=60), off_by=st.integers(-3, 3))
def test_no_framing_is_our_fault(client, document, rest, off_by):
    headers = {HEADER: str(len(document) + off_by)}
    assert client.post(INFER, content=document + rest, headers=headers).status_code < 500
    assert client.post(INFER, content=document).status_code < 500


@settings(deadline=None, max_examples=100)
@given(header=st.text(st.characters(min_codepoint=32, max_codepoint=126)), body=st.binary(max_size=30))
def test_no_header_is_our_fault(client, header, body):
    assert client.post(INFER, content=body, headers={HEADER: header.strip()}).status_code < 500
