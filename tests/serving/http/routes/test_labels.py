import json

import pytest

PATH = "/v1/models/orientation/labels"
TOKEN = {"Authorization": "Bearer open sesame"}


@pytest.fixture
def root(zoo, tmp_path):
    return zoo.publish(tmp_path / "models", zoo.orientation(), zoo.orientation(version=2))


@pytest.fixture
def controlled(serve_with, root):
    return serve_with(models=root, admin_token="open sesame")


def test_labels_are_told_and_replaced_as_a_whole(controlled, root, zoo):
    assert controlled.get(PATH).json() == {}
    given = {"stable": 1, "canary": {"version": 2, "share": 0.5}}
    expected = {"stable": {"version": 1}, "canary": {"version": 2, "share": 0.5}}
    response = controlled.put(PATH, json=given, headers=TOKEN)
    assert (response.status_code, response.json()) == (200, expected)
    assert controlled.get(PATH).json() == expected
    assert json.loads((root / "orientation/labels.json").read_text()) == expected
    photo = zoo.png()
    assert controlled.post(f"{PATH}/canary:predict", content=photo).json()["version"] == "2"
    assert controlled.put(PATH, json={"stable": 1}, headers=TOKEN).status_code == 200
    assert controlled.post("/v1/models/orientation:predict", content=photo).json()["version"] == "1"
    assert controlled.post(f"{PATH}/canary:predict", content=photo).status_code == 404


@pytest.mark.parametrize(
    ("status", "error_type", "path", "body"),
    [
        (400, "RequestError", PATH, b"{"),
        (400, "RequestError", PATH, b'{"stable": "newest"}'),
        (404, "ModelNotFoundError", PATH, b'{"stable": 9}'),
        (404, "ModelNotFoundError", "/v1/models/nope/labels", b"{}"),
        (413, "RequestTooLargeError", PATH, b" " * 200_000),
    ],
)
def test_what_is_wrong_changes_nothing(serve_with, root, status, error_type, path, body):
    limits = {"max_request_bytes": 100_000, "max_image_bytes": 100_000}
    client = serve_with(models=root, admin_token="open sesame", **limits)
    response = client.put(path, content=body, headers=TOKEN)
    assert (response.status_code, response.json()["error_type"]) == (status, error_type)
    assert client.get(PATH).json() == {}


def test_labels_that_cannot_be_kept_are_no_fault_of_ours(controlled, root):
    (root / "orientation/labels.json").mkdir()
    answer = controlled.put(PATH, json={"stable": 1}, headers=TOKEN)
    sentence = "orientation/labels.json cannot be written: Is a directory"
    assert (answer.status_code, answer.json()) == (507, {"error": sentence, "error_type": "StorageFullError"})
    assert controlled.get(PATH).json() == {}
    answer = controlled.post("/v2/repository/models/orientation/load", headers=TOKEN)
    sentence = "orientation/labels.json cannot be used: Is a directory"
    assert (answer.status_code, answer.json()["error"]) == (400, sentence)


def test_without_a_token_there_are_no_control_calls(client):
    response = client.put(PATH, json={"stable": 1}, headers=TOKEN)
    assert (response.status_code, response.json()["error_type"]) == (403, "ForbiddenError")
    assert "LOUPE_ADMIN_TOKEN" in response.json()["error"]


@pytest.mark.parametrize("given", ["", "open sesame", "Bearer", "Bearer wrong", "Basic open sesame", "Bearer é"])
def test_a_wrong_token_is_told_and_changes_nothing(controlled, given):
    headers = {"Authorization": given.encode()} if given else {}
    response = controlled.put(PATH, json={"stable": 1}, headers=headers)
    assert (response.status_code, response.json()["error_type"]) == (401, "UnauthorizedError")
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert controlled.get(PATH).json() == {}
