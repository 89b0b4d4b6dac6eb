"""Clients that others wrote, unmodified, each in a process of its own, get the native API's answers."""

import json
import socket
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

SCRIPTS = Path(__file__).with_name("clients")
SIDES = ("left", "up", "down")
MODEL = {
    "name": "orientation",
    "versions": ["1"],
    "platform": "onnx_onnxv1",
    "inputs": [{"name": "image", "datatype": "UINT8", "shape": [-1, 32, 32, 3]}],
    "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 4]}],
}
EXTENSIONS = ["binary_tensor_data", "classification", "model_configuration", "model_repository", "statistics"]
INDEX = [
    {"name": "orientation", "version": "1", "state": "READY", "reason": ""},
    {"name": "selfie", "version": "3", "state": "READY", "reason": ""},
]
TOKEN = "a token for control calls"
CONFIG = {
    "name": "orientation",
    "platform": "onnxruntime_onnx",
    "backend": "onnxruntime",
    "max_batch_size": 64,
    "input": [{"name": "image", "data_type": "TYPE_UINT8", "format": "FORMAT_NHWC", "dims": [32, 32, 3]}],
    "output": [{"name": "probabilities", "data_type": "TYPE_FP32", "dims": [4]}],
}
SIX_PLACES = 1e-6


class Asked:
    """What every client is given, and what the native API answers to it."""

    def __init__(self, client: httpx.Client, grpc_port: int, zoo) -> None:
        photos = [zoo.png(side, (64, 48)) for side in SIDES]
        self.given = {
            "http": f"{client.base_url.host}:{client.base_url.port}",
            "grpc": f"127.0.0.1:{grpc_port}",
            "token": TOKEN,
            "photos": [b64encode(photo).decode() for photo in photos],
            "pixels": [np.asarray(zoo.lit(side)).tolist() for side in SIDES],
        }
        self.by_photo = answers(client, photos)
        self.by_pixels = answers(client, [zoo.png(side) for side in SIDES])

    def run(self, script: str) -> dict[str, Any]:
        command = [sys.executable, str(SCRIPTS / f"{script}.py")]
        done = subprocess.run(command, input=json.dumps(self.given), capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def answers(client: httpx.Client, photos: list[bytes]) -> Any:
    files = [("image", (str(number), photo)) for number, photo in enumerate(photos)]
    predictions = client.post("/v1/models/orientation:predict", files=files).json()["predictions"]
    assert [prediction["label"] for prediction in predictions] == list(SIDES)
    values = [value for prediction in predictions for value in prediction["probabilities"].values()]
    return pytest.approx(values, abs=SIX_PLACES)


@pytest.fixture
def asked(serve_with: Callable[..., httpx.Client], zoo) -> Iterator[Asked]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return Asked(serve_with(grpc_port=port, admin_token=TOKEN), port, zoo)


def labels(classes: list[str]) -> list[str]:
    return [text.split(":")[2] for text in classes[::2]]


def check_statistics(before: dict, after: dict, photos: int) -> None:
    """What one request more has changed, as perf_analyzer reads it; gRPC's JSON has numbers as text."""
    changed = {name: int(after[name]) - int(before.get(name, 0)) for name in ("inference_count", "execution_count")}
    assert changed["inference_count"] == photos
    assert 1 <= changed["execution_count"] <= photos
    assert int(after["last_inference"]) > 1_700_000_000_000
    spent = {}
    for step in ("success", "queue", "compute_input", "compute_infer", "compute_output"):
        old, new = (one.get("inference_stats", {}).get(step, {}) for one in (before, after))
        assert int(new["count"]) - int(old.get("count", 0)) == 1
        spent[step] = int(new["ns"]) - int(old.get("ns", 0))
        assert spent[step] > 0
    assert spent["success"] > spent["compute_infer"] + spent["compute_output"]


def test_tritonclient_http(asked: Asked):
    got = asked.run("triton_http")
    assert (got["live"], got["ready"], got["model_ready"], got["version_ready"]) == (True, True, True, [True, False])
    assert (got["server"]["name"], got["server"]["extensions"]) == ("loupe", EXTENSIONS)
    assert got["model"] == got["version"] == MODEL
    assert got["index"] == INDEX
    assert {name: got["config"][name] for name in CONFIG} == CONFIG
    check_statistics(*got["statistics"], photos=len(SIDES))
    assert [(one["name"], one["version"]) for one in got["all_statistics"]] == [("orientation", "1"), ("selfie", "3")]
    assert all("does not offer" in message for message in got["not_offered"].values())
    repository = got["repository"]
    assert (repository["refused"], repository["gone"], repository["back"]) == ("401", False, True)
    assert repository["states"] in (["UNAVAILABLE"], ["UNLOADING"])
    assert got["id"] == "42"
    assert dict.fromkeys(got["by_photo"], asked.by_photo) == got["by_photo"]
    assert dict.fromkeys(got["by_pixels"], asked.by_pixels) == got["by_pixels"]
    assert labels(got["classes"]["binary"]) == list(SIDES)
    assert got["classes"]["JSON"] == got["classes"]["binary"]
    statuses = {what: refusal["status"] for what, refusal in got["refusals"].items()}
    assert statuses == {"no such model": "404", "no such version": "404", "bad image": "400", "too late": "504"}
    assert got["refusals"]["bad image"]["message"].startswith("image 1 of 1: the data is not an image")


def test_tritonclient_http_asyncio(asked: Asked):
    got = asked.run("triton_http_asyncio")
    assert (got["live"], got["ready"], got["model"], got["index"]) == (True, True, MODEL, INDEX)
    assert got["by_photo"] == [asked.by_photo] * 8
    assert got["by_pixels"] == [asked.by_pixels] * 8


def test_tritonclient_grpc(asked: Asked):
    got = asked.run("triton_grpc")
    assert (got["live"], got["ready"], got["version_ready"]) == (True, True, True)
    assert (got["server"]["name"], got["server"]["extensions"]) == ("loupe", EXTENSIONS)
    assert (got["model"]["name"], got["model"]["platform"]) == ("orientation", "onnx_onnxv1")
    assert got["model"]["inputs"] == [{"name": "image", "datatype": "UINT8", "shape": ["-1", "32", "32", "3"]}]
    assert got["id"] == "42"
    assert dict.fromkeys(got["by_photo"], asked.by_photo) == got["by_photo"]
    assert dict.fromkeys(got["by_pixels"], asked.by_pixels) == got["by_pixels"]
    assert labels(got["classes"]) == list(SIDES)
    config = got["config"]["config"]
    assert config["input"] == [CONFIG["input"][0] | {"dims": ["32", "32", "3"]}]
    assert config["output"] == [CONFIG["output"][0] | {"dims": ["4"]}]
    assert {name: config[name] for name in ("name", "platform", "backend", "max_batch_size")}.items() <= CONFIG.items()
    check_statistics(*got["statistics"], photos=len(SIDES))
    assert [(one["name"], one["version"]) for one in got["all_statistics"]] == [("orientation", "1"), ("selfie", "3")]
    assert all(status == "StatusCode.UNIMPLEMENTED" for status, _ in got["not_offered"].values())
    assert all("Loupe does not offer /inference" in message for _, message in got["not_offered"].values())
    assert got["gone_is_ready"] is False
    assert "shared memory is not offered" in got["shared_memory"]
    repository = got["repository"]
    assert (repository["refused"], repository["back"]) == ("StatusCode.UNAUTHENTICATED", True)
    assert repository["states"] in (["UNAVAILABLE"], ["UNLOADING"])
    statuses = {what: refusal["status"] for what, refusal in got["refusals"].items()}
    assert statuses == {
        "no such model": "StatusCode.NOT_FOUND",
        "no such version": "StatusCode.NOT_FOUND",
        "bad image": "StatusCode.INVALID_ARGUMENT",
        "too late": "StatusCode.DEADLINE_EXCEEDED",
        "not offered": "StatusCode.INVALID_ARGUMENT",
    }


def test_kserve(asked: Asked):
    got = asked.run("kserve_both")
    rest, grpc = got["rest"], got["grpc"]
    assert (rest["live"], rest["ready"], rest["model_ready"], rest["id"]) == (True, True, [True, False], "42")
    assert rest["by_photo"] == [asked.by_photo] * 2
    assert rest["by_pixels"] == [asked.by_pixels] * 2
    assert (grpc["live"], grpc["ready"], grpc["model_ready"]) == (True, True, True)
    assert grpc["by_photo"] == [asked.by_photo]
    assert grpc["by_pixels"] == [asked.by_pixels] * 2
