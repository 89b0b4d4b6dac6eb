"""The repository extension; what a reload does to requests, tests/serving/versions/test_registry.py proves."""

from collections.abc import Iterator

import httpx
import pytest

INDEX = "/v2/repository/index"
LOAD = "/v2/repository/models/orientation/load"
LINES = {"Accept": "application/x-ndjson"}
TOKEN = {"Authorization": "Bearer secret"}


@pytest.fixture
def controlled(serve_with) -> httpx.Client:
    return serve_with(admin_token="secret")


def test_the_index_is_open(client):
    names = {"orientation": "1", "selfie": "3"}
    entries = [{"name": name, "version": number, "state": "READY", "reason": ""} for name, number in names.items()]
    for request in ({}, {"json": {}}, {"json": {"ready": True}}, {"content": '{"ready": false}'}):
        assert client.post(INDEX, **request).json() == entries


def test_models_come_and_go(controlled):
    unload = "/v2/repository/models/selfie/unload"
    dependents = {"parameters": {"unload_dependents": True}}
    assert controlled.post(unload, headers=TOKEN, json=dependents).json() == {}
    assert controlled.get("/v2/models/selfie/ready").status_code == 404
    assert [entry["name"] for entry in controlled.post(INDEX, json={"ready": True}).json()] == ["orientation"]
    assert controlled.post("/v2/repository/models/selfie/load", headers=TOKEN).json() == {}
    assert controlled.get("/v2/models/selfie/ready").json() == {"name": "selfie", "ready": True}
    for name in ("selfie", "orientation"):
        controlled.post(f"/v2/repository/models/{name}/unload", headers=TOKEN)
    assert controlled.get("/v1/models/selfie").json()["error"] == "there is no model 'selfie'; there are: none"


@pytest.mark.parametrize(
    ("call", "headers"), [(":predict", {}), (":predict", LINES), (":explain", {}), (":feedback?label=up", {})]
)
def test_a_version_that_comes_while_a_body_does_answers_it(serve_with, zoo, tmp_path, call, headers):
    """The one that was there at its first byte is gone by its last: it was asked, and that was a 503."""
    folder, photo = zoo.publish(tmp_path / "models", zoo.orientation()), zoo.png()
    client = serve_with(models=folder, admin_token="secret", feedback=tmp_path / "said")

    def body() -> Iterator[bytes]:
        yield photo[:100]
        zoo.publish(folder, zoo.orientation(version=2))
        assert httpx.post(client.base_url.join(LOAD), headers=TOKEN).json() == {}
        while len(index := httpx.post(client.base_url.join(INDEX), json={"ready": True}).json()) > 1:
            pass
        assert index[0]["version"] == "2"
        yield photo[100:]

    size = {"Content-Length": str(len(photo))}
    answer = client.post(f"/v1/models/orientation{call}", content=body(), headers={**size, **headers})
    assert (answer.status_code, answer.json()["version"]) == (200, "2")


def test_control_calls_are_off_without_a_token(client):
    response = client.post(LOAD, headers=TOKEN)
    assert (response.status_code, response.json()["error_type"]) == (403, "ForbiddenError")
    assert "LOUPE_ADMIN_TOKEN" in response.json()["error"]


@pytest.mark.parametrize(
    ("status", "error_type", "path", "request_"),
    [
        (401, "UnauthorizedError", LOAD, {}),
        (401, "UnauthorizedError", LOAD, {"headers": {"Authorization": "Bearer secrets"}}),
        (401, "UnauthorizedError", LOAD, {"headers": {"Authorization": "Basic secret"}}),
        (404, "ModelNotFoundError", "/v2/repository/models/nope/load", {"headers": TOKEN}),
        (404, "ModelNotFoundError", "/v2/repository/models/nope/unload", {"headers": TOKEN}),
        (400, "RequestError", LOAD, {"headers": TOKEN, "json": {"parameters": {"config": "{}"}}}),
        (400, "RequestError", LOAD, {"headers": TOKEN, "json": {"parameters": {"file:1/model.onnx": ""}}}),
        (400, "RequestError", LOAD, {"headers": TOKEN, "content": "{"}),
        (400, "RequestError", INDEX, {"json": {"ready": "maybe"}}),
    ],
)
def test_errors_are_one_sentence(controlled, status, error_type, path, request_):
    response = controlled.post(path, **request_)
    assert (response.status_code, response.json()["error_type"]) == (status, error_type)
