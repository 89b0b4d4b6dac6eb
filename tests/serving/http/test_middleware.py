"""Life behind a proxy and in other people's pages."""

import pytest

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
    assert client.options("/v1/predict", headers=asked | {"Origin": "https://evil.example.org"}).status_code == 400
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
    ("trusted", "scheme"),
    [(None, "http"), ("192.0.2.1", "http"), ("127.0.0.1", "https"), ("127.0.0.0/8, ::1", "https")],
)
def test_forwarded_headers_count_from_trusted_proxies_only(serve_with, trusted, scheme):
    client = serve_with(trusted_proxies=trusted)
    answer = client.get("/v1/models/", headers={"X-Forwarded-Proto": "https"})
    assert answer.status_code == 307
    assert answer.headers["location"].startswith(f"{scheme}://")
