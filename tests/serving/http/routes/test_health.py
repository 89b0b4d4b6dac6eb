import hashlib

import onnxruntime


def test_health(client):
    assert client.get("/health/live").json() == {"live": True}
    assert client.get("/health/ready").json() == {"ready": True}
    assert client.get("/health").json() == {
        "live": True,
        "ready": True,
        "models": {"orientation": {"version": "1", "ready": True}, "selfie": {"version": "3", "ready": True}},
    }


def test_version_names_what_is_in_use(client, models):
    answer = client.get("/version").json()
    assert answer.keys() == {"service", "onnxruntime", "provider", "offers", "models"}
    assert answer["offers"] == {"explain": True, "feedback": False, "feedback_photos": False}
    assert answer["service"].keys() == {"version", "git_revision"}
    assert answer["onnxruntime"] == onnxruntime.__version__
    orientation = answer["models"]["orientation"]
    assert orientation["provider"] == answer["provider"]
    assert answer["provider"] in ("CPUExecutionProvider", "CUDAExecutionProvider")
    assert orientation["sha256"] == hashlib.sha256((models / "orientation/1/model.onnx").read_bytes()).hexdigest()
    assert orientation["labels"] == ["up", "right", "down", "left"]
    assert orientation["metrics"] is None
