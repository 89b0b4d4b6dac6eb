"""SageMaker and Vertex AI, asking as they document that they ask."""

import json
from base64 import b64encode

import pytest

ENDPOINT = "/v1/endpoints/123/deployedModels/456"
VERTEX = {"AIP_HTTP_PORT": "0", "AIP_HEALTH_ROUTE": ENDPOINT, "AIP_PREDICT_ROUTE": f"{ENDPOINT}:predict"}


def instances(*photos: bytes) -> list[dict[str, str]]:
    return [{"b64": b64encode(photo).decode()} for photo in photos]


def test_sagemaker(serve_with, zoo, tmp_path):
    """https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html"""
    client = serve_with(models=zoo.publish(tmp_path, zoo.orientation()))
    assert client.get("/ping").json() == client.post("/ping").json() == {"ready": True}
    native = client.post("/v1/models/orientation:predict", content=zoo.png("left")).json()
    for media_type in ("application/x-image", "image/png"):
        headers = {"Content-Type": media_type, "Accept": "*/*", "X-Amzn-SageMaker-Custom-Attributes": "trace=1"}
        assert client.post("/invocations", content=zoo.png("left"), headers=headers).json() == native
    rows = client.post("/invocations", json={"instances": instances(zoo.png("left"), zoo.png("up"))}).json()
    assert [row["label"] for row in rows["predictions"]] == ["left", "up"]
    for accepted in ("application/x-ndjson", "application/jsonlines"):
        headers = {"Accept": accepted}
        asked = {"instances": instances(zoo.png("left"), zoo.png("up"))}
        lines = client.post("/invocations", json=asked, headers=headers).text.splitlines()
        assert [json.loads(line) for line in lines] == [{"predictions": [row]} for row in rows["predictions"]]
        [line] = client.post("/invocations", content=zoo.png("left"), headers=headers).text.splitlines()
        assert json.loads(line) == native
    bad = client.post("/invocations", content=b"\0 no image", headers={"Content-Type": "application/x-image"})
    assert (bad.status_code, bad.json()["error_type"]) == (415, "UnsupportedImageError")


def test_vertex_ai(serve_with, zoo, monkeypatch):
    """https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements"""
    for name, value in VERTEX.items():
        monkeypatch.setenv(name, value)
    client = serve_with()
    assert client.get(VERTEX["AIP_HEALTH_ROUTE"]).status_code == 200
    body = {"instances": instances(zoo.png("left"), b"\0"), "parameters": {"models": "orientation", "top_k": 1}}
    headers = {"Content-Type": "application/json"}
    answer = client.post(VERTEX["AIP_PREDICT_ROUTE"], content=json.dumps(body), headers=headers).json()
    assert answer.keys() == {"predictions"}
    good, bad = answer["predictions"]
    assert (good["label"], list(good["probabilities"]), bad["error_type"]) == (
        "left",
        ["left"],
        "UnsupportedImageError",
    )
    both = client.post(VERTEX["AIP_PREDICT_ROUTE"], json={"instances": instances(zoo.png("left"))}).json()
    [row] = both["predictions"]
    assert (row["orientation"]["label"], row["selfie"]["label"]) == ("left", row["selfie"]["label"])
    assert 'protocol="predict",status="200"' in client.get("/metrics").text


@pytest.mark.parametrize("route", ["/health/ready", "/v1/models/orientation:predict", "/v1/predict"])
def test_vertex_ai_may_be_told_to_ask_routes_of_ours(serve_with, zoo, monkeypatch, route):
    monkeypatch.setenv("AIP_PREDICT_ROUTE", route)
    monkeypatch.setenv("AIP_HEALTH_ROUTE", "/health/ready")
    client = serve_with()
    assert client.get("/health/ready").status_code == 200
    if "predict" in route:
        assert client.post(route, json={"instances": instances(zoo.png())}).status_code == 200


def test_health_of_platforms_needs_no_key_and_opens_nothing_else(serve_with, zoo, monkeypatch, tmp_path):
    (tmp_path / "keys").write_text("key")
    monkeypatch.setenv("AIP_HEALTH_ROUTE", "/v1/models")
    client = serve_with(api_keys_file=tmp_path / "keys")
    assert client.get("/ping").json() == {"ready": True}
    assert client.get("/v1/models").json() == {"ready": True}
    assert client.post("/invocations", content=zoo.png()).status_code == 401
