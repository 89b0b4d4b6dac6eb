"""Life behind a proxy and in other people's pages."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response

from serving.http.app import create_app
from serving.settings import Settings

ORIGIN = "https://photos.example.org"


def test_pages_of_other_origins_are_not_served_by_default(client):
    answer = client.get("/version", headers={"Origin": ORIGIN})
    assert "access-control-allow-origin" not in answer.headers


def test_an_origin_that_is_allowed_may_call(serve_with, zoo, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("key")
    client = serve_with(cors_origins=f"{ORIGIN}, https://other.example.org", api_keys_file=keys)
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}
    preflight = client.options("/v1/predict", headers=asked)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    assert "x-api-key" in preflight.headers["access-control-allow-headers"]
    refused = client.options("/v1/predict", headers=asked | {"Origin": "https://evil.example.org"})
    sentence = "pages of https://evil.example.org may not make this call, for its origin"
    assert (refused.status_code, refused.json()) == (400, {"error": sentence, "error_type": "RequestError"})
    assert "access-control-allow-origin" not in refused.headers
    assert refused.headers["vary"].startswith("Origin")
    for headers, status in (({"X-API-Key": "key"}, 200), ({}, 401)):
        answer = client.post("/v1/predict", content=zoo.png(), headers={"Origin": ORIGIN, **headers})
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert "X-Request-ID" in answer.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("prefix", ["", "/loupe"])
def test_a_proxy_may_strip_its_path_or_leave_it(serve_with, zoo, prefix, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("key")
    client = serve_with(root_path="/loupe", api_keys_file=keys)
    headers = {"X-API-Key": "key"}
    assert client.post(f"{prefix}/v1/predict", content=zoo.png(), headers=headers).status_code == 200
    assert client.post(f"{prefix}/v1/predict", content=zoo.png()).status_code == 401
    assert client.get(f"{prefix}/health/live").status_code == 200
    assert client.get(f"{prefix}/openapi.json", headers=headers).json()["servers"] == [{"url": "/loupe"}]
    assert "/loupe/openapi.json" in client.get(f"{prefix}/docs", headers=headers).text
    metrics = client.get("/metrics", headers=headers).text
    assert 'loupe_requests_total{model="orientation",protocol="predict",status="200",version="1"} 1.0' in metrics


@pytest.mark.parametrize(
    ("trusted", "address", "scheme"),
    [
        (None, "127.0.0.1", "http"),
        ("192.0.2.1", "127.0.0.1", "http"),
        ("127.0.0.1", "127.0.0.1", "https"),
        ("127.0.0.0/8, ::1", "127.0.0.1", "https"),
        ("10.0.0.0/8", "::ffff:10.0.0.5", "https"),  # as a socket tells it that listens on ::
        ("10.0.0.5", "::ffff:10.0.0.5", "https"),
        ("10.0.0.0/8", "::ffff:11.0.0.5", "http"),
        ("*, 10.0.0.0/8", "192.0.2.1", "https"),
    ],
)
def test_forwarded_headers_count_from_trusted_proxies_only(models, trusted, address, scheme):
    app = create_app(Settings(models=models, trusted_proxies=trusted))
    app.add_route("/scheme", tell_scheme)
    assert ask(app, "GET", "/scheme", {"X-Forwarded-Proto": "https"}, address).text == scheme


async def tell_scheme(request: Request) -> Response:
    return PlainTextResponse(request.url.scheme)


async def fail(_: Request) -> Response:
    raise ZeroDivisionError("secret")


def ask(app: FastAPI, method: str, path: str, headers: dict[str, str], address: str = "127.0.0.1") -> httpx.Response:
    async def call() -> httpx.Response:
        transport = httpx.ASGITransport(app, client=(address, 5000))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(call())


def test_a_page_of_another_origin_can_read_every_error(models):
    app = create_app(Settings(models=models, cors_origins=ORIGIN))
    app.add_route("/fail", fail)
    for method, path, status in (("GET", "/fail", 500), ("GET", "/nope", 404), ("POST", "/version", 405)):
        answer = ask(app, method, path, {"Origin": ORIGIN})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, ORIGIN)
        assert answer.headers["X-Request-ID"]
        assert "secret" not in answer.text
    app.state.service.close()


def test_a_page_may_set_labels_where_a_token_allows_it(serve_with, zoo, tmp_path):
    client = serve_with(models=zoo.publish(tmp_path, zoo.orientation()), cors_origins=ORIGIN, admin_token="token")
    path, headers = "/v1/models/orientation/labels", {"Origin": ORIGIN, "Authorization": "Bearer token"}
    asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization, content-type"}
    preflight = client.options(path, headers={"Origin": ORIGIN, **asked})
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, ORIGIN)
    assert "PUT" in preflight.headers["access-control-allow-methods"]
    assert client.put(path, json={"stable": 1}, headers=headers).json() == {"stable": {"version": 1}}
    assert client.put(path, json={"stable": 1}, headers={"Origin": ORIGIN}).status_code == 401
