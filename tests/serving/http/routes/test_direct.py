"""Calls that are answered without FastAPI: nobody can tell, but by the time that it takes."""

import asyncio
import json
import logging
from base64 import b64encode
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI

from serving.http.app import create_app
from serving.http.routes import direct, predict
from serving.http.routes.direct import hot_routes
from serving.settings import Settings

ORIENTATION, SEVERAL, INFER = "/v1/models/orientation:predict", "/v1/predict", "/v2/models/orientation/infer"
UPRIGHT, INVOCATIONS = "/v1/upright", "/invocations"
_COUNTED = ("loupe_requests_total", "loupe_predictions_total", "loupe_rejected_requests_total")


@pytest.fixture(scope="module")
def apps(models) -> Iterator[list[FastAPI]]:
    """As it is, and with FastAPI's own routes alone."""
    made = [create_app(settings := Settings(models=models, max_wait_s=60))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(direct, "hot_routes", list)
        made.append(create_app(settings))
    yield made
    for app in made:
        app.state.service.close()


def ask(app: FastAPI, path: str, **request) -> httpx.Response:
    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://loupe") as client:
            return await client.post(path, headers={"X-Request-ID": "same", **request.pop("headers", {})}, **request)

    return asyncio.run(asked())


def told(answer: httpx.Response) -> tuple[int, object, dict[str, str]]:
    """All but the times."""
    headers, content = dict(answer.headers), answer.content
    if answer.request.url.path == INVOCATIONS:  # which has no documented shape: there FastAPI writes 8.2e-05
        content = [json.loads(line) for line in answer.text.splitlines()]
        headers.pop("content-length", None)
    if "server-timing" in headers:
        headers["server-timing"] = " ".join(part.partition(";")[0] for part in headers["server-timing"].split(", "))
    return answer.status_code, content, headers


def counted(app: FastAPI) -> list[str]:
    text = asyncio.run(app.state.metrics.scrape(""))[0].decode()
    return [line for line in text.splitlines() if line.startswith(_COUNTED)]


def test_all_documented_predictions_are_answered_directly():
    hot = {route.path for route in hot_routes()}
    assert {route.path for route in predict.router.routes} < hot
    assert {ORIENTATION.replace("orientation", "{model}"), "/v2/models/{model}/infer"} < hot


@pytest.mark.parametrize(
    ("path", "request_"),
    [
        (ORIENTATION, {}),
        (SEVERAL, {}),
        (ORIENTATION, {"headers": {"Accept": "application/x-ndjson"}}),
        (ORIENTATION, {"headers": {"Request-Timeout": "20"}}),
        (ORIENTATION, {"headers": {"Request-Timeout": "-1"}}),
        (ORIENTATION, {"headers": {"Request-Timeout": "soon"}}),
        (ORIENTATION + "?top_k=1&exif=ignore", {}),
        (ORIENTATION + "?top_k=3&top_k=2", {}),
        (ORIENTATION + "?top_k=0", {}),
        (ORIENTATION + "?top_k", {}),
        (ORIENTATION + "?top_q=1", {}),
        (ORIENTATION + "?exif=%FFmaybe", {}),
        (SEVERAL + "?models=selfie%2C+orientation", {}),
        (SEVERAL + "?models=selfie&models=orientation", {}),
        (SEVERAL + "?models=", {}),
        (SEVERAL + "?models=nope", {}),
        ("/v1/models/orient%61tion/versions/1:predict", {}),
        ("/v1/models/orientation/versions/7:predict", {}),
        ("/v1/models/orientation/labels/stable:predict", {}),
        ("//v1/models/orientation:predict/", {}),
        ("/v1/models/nope:predict", {}),
        (ORIENTATION, {"content": b""}),
        (ORIENTATION, {"content": b"no image"}),
        (ORIENTATION, {"json": "rows"}),
        (ORIENTATION + "?top_k=2", {"json": "columns"}),
        (ORIENTATION, {"files": "two"}),
        (INFER, {"json": "infer"}),
        (INFER, {"headers": {"Inference-Header-Content-Length": "0"}}),
        (INFER, {"headers": {"Inference-Header-Content-Length": "many"}}),
        ("/v2/models/orientation/versions/1/infer", {"json": "infer"}),
        ("/v2/models/nope/infer", {"json": "infer"}),
        (UPRIGHT, {}),
        (UPRIGHT + "?method=pixels", {}),
        (UPRIGHT + "?method=magic", {}),
        (UPRIGHT, {"files": "two"}),
        (UPRIGHT, {"content": b"no image"}),
        (UPRIGHT, {"headers": {"Request-Timeout": "0"}}),
        (INVOCATIONS, {}),
        (INVOCATIONS + "?models=selfie", {"json": "rows"}),
        (INVOCATIONS, {"headers": {"Accept": "application/jsonlines"}}),
    ],
)
def test_it_answers_counts_and_logs_as_fastapi_would(apps, zoo, caplog, path, request_):
    photo = zoo.png("left")
    one = {"b64": b64encode(photo).decode()}
    bodies = {
        "rows": {"instances": [{"image": one, "key": 5}]},
        "columns": {"inputs": {"image": [one, one]}},
        "infer": {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": [one["b64"]]}]},
        "two": [("image", ("a.png", photo)), ("image", ("b.png", b"no image"))],
    }
    request = {key: bodies[value] if key in ("json", "files") else value for key, value in request_.items()}
    if not {"content", "json", "files"} & request.keys():
        request["content"] = photo
    before = [counted(app) for app in apps]
    with caplog.at_level(logging.INFO, "loupe.access"):
        ours, theirs = (told(ask(app, path, **request)) for app in apps)
        for app in apps:
            app.state.metrics.recorder.tell()
    assert ours == theirs
    assert before[0] == before[1]
    assert counted(apps[0]) == counted(apps[1]) != before[0]
    said = [(one.method, one.path, one.status) for one in caplog.records if one.name == "loupe.access"]
    assert len(said) == 2
    assert said[0] == said[1]
