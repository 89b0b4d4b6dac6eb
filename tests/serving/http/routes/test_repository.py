"""The repository extension; what a reload does to requests, tests/serving/versions/test_registry.py proves."""

import httpx
import pytest

INDEX = "/v2/repository/index"
LOAD = "/v2/repository/models/orientation/load"
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
