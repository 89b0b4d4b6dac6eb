"""docs/protocols.md keeps its word: every command of it runs, and all get the native answer."""

import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from PIL import Image

from serving.grpc.calls import CODES

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/protocols.md").read_text(encoding="utf-8")
SIX_PLACES = 1e-6

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl: apt-get install curl")


def blocks(language: str, word: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return [block for block in found if word in block]


class Served:
    """A server as the page starts it, on other ports, and a folder with the photo."""

    def __init__(self, url: str, grpc_port: int, folder: Path) -> None:
        self.addresses = {"127.0.0.1:8000": url.removeprefix("http://"), "127.0.0.1:8001": f"127.0.0.1:{grpc_port}"}
        self.folder = folder
        photo = (folder / "photo.jpg").read_bytes()
        answer = httpx.post(f"{url}/v1/models/orientation:predict", content=photo).json()
        [self.prediction] = answer["predictions"]

    @property
    def probabilities(self):
        return pytest.approx(list(self.prediction["probabilities"].values()), abs=SIX_PLACES)

    def run(self, *command: str) -> str:
        for shown, real in self.addresses.items():
            command = tuple(part.replace(shown, real) for part in command)
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def sh(self, block: str) -> list[dict]:
        """Runs a shell block; returns what each curl printed."""
        block = block.replace("curl ", "curl --fail --silent --write-out '\\n' ")
        return [json.loads(line) for line in self.run("bash", "-euo", "pipefail", "-c", block).splitlines() if line]

    def python(self, block: str) -> str:
        return self.run(sys.executable, "-W", "ignore", "-c", block)


@pytest.fixture
def served(serve_with: Callable[..., httpx.Client], tmp_path: Path, photographs: dict[str, bytes]) -> Served:
    Image.open(BytesIO(photographs["coffee"])).convert("RGB").save(tmp_path / "photo.jpg", quality=95)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    client = serve_with(grpc_port=port)
    return Served(str(client.base_url).rstrip("/"), port, tmp_path)


@needs_curl
def test_open_inference_with_curl(served: Served):
    [block] = blocks("sh", "Inference-Header-Content-Length")
    photo, packed, model, facts, index = served.sh(block)
    assert photo["outputs"] == packed["outputs"]
    assert photo["outputs"][0]["data"] == served.probabilities
    assert (packed["id"], model["platform"]) == ("1", "onnx_onnxv1")
    assert [label["name"] for label in facts["metadata"]["loupe"]["labels"]] == list(served.prediction["probabilities"])
    assert {"name": "orientation", "version": "1", "state": "READY", "reason": ""} in index


@pytest.mark.parametrize("client", ["tritonclient.http", "tritonclient.grpc"])
def test_tritonclient(served: Served, client: str):
    [block] = blocks("python", client)
    printed = served.python(block)
    values = re.search(r"\[\[(.*?)\]\]", printed, re.DOTALL).group(1).split()
    assert [float(value) for value in values] == pytest.approx(served.probabilities.expected, abs=1e-4)
    if "class_count" in block:
        assert f":{served.prediction['label']}'" in printed


@needs_curl
def test_tensorflow_serving_with_curl(served: Served):
    [block] = blocks("sh", '"inputs": {')
    rows, columns, status = served.sh(block)
    assert rows["predictions"] == [served.prediction]
    assert columns["outputs"]["label"] == [served.prediction["label"]]
    assert status["model_version_status"][0]["state"] == "AVAILABLE"
    [block] = blocks("sh", '"parameters"')
    [keyed] = served.sh(block)[0]["predictions"]
    assert (keyed["label"], keyed["key"], len(keyed["probabilities"])) == (served.prediction["label"], "17", 2)


def test_the_table_of_codes_is_that_of_the_code():
    for code, status in CODES.values():
        assert re.search(rf"^\| `{code.name}` \| .*\b{status}\b", PAGE, re.MULTILINE)
