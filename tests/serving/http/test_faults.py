"""What a server promises where its surroundings fail it: docs/operating.md lists it."""

import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import BinaryIO
from urllib.parse import urlsplit

import httpx
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from serving.engine.onnx_model import OnnxModel

READY = "Loupe is ready at "
PATH = "/v1/models/orientation:predict"
LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
# Nothing can be written, not even to /dev/shm; a user that no file knows, without a home.
BARE = """set -e
mount --make-rprivate /
mount --rbind / /mnt
mount -o remount,bind,ro /mnt
mount -t tmpfs -o ro none /mnt/dev/shm
cd /mnt
pivot_root . .
umount -l .
exec unshare --user --map-user=54321 --map-group=54321 env --chdir "$SOURCES" --unset=HOME "$@"
"""


def url_of(process: subprocess.Popen[str]) -> str:
    return next(line for line in process.stdout if line.startswith(READY)).removeprefix(READY).strip()


def connected(url: str) -> socket.socket:
    address = urlsplit(url)
    return socket.create_connection((address.hostname, address.port), timeout=30)


def test_sighup_while_models_load_is_heeded_when_they_are(spawn, zoo, tmp_path):
    """It had ended the process."""
    process = spawn(zoo.publish(tmp_path, *(zoo.selfie(name=f"model-{number}") for number in range(30))))
    assert "model loaded" in process.stderr.readline()
    process.send_signal(signal.SIGHUP)
    zoo.publish(tmp_path, zoo.orientation())
    url = url_of(process)
    for _ in range(200):
        if httpx.post(url + PATH, content=zoo.png(), timeout=30).status_code == 200:
            return
        time.sleep(0.05)
    pytest.fail("the model that came meanwhile was not loaded")


def read_live(answers: BinaryIO) -> None:
    """One answer, which may come in several pieces."""
    assert answers.readline().startswith(b"HTTP/1.1 200 ")
    while answers.readline() != b"\r\n":
        pass
    body = b'{"live":true}'
    assert answers.read(len(body)) == body


def test_a_process_that_was_stopped_goes_on(spawn, models, zoo):
    """Its connections too; what was sent meanwhile is answered."""
    process = spawn(models)
    url = url_of(process)
    with connected(url) as kept, kept.makefile("rb") as answers:
        kept.sendall(LIVE)
        read_live(answers)
        process.send_signal(signal.SIGSTOP)
        kept.sendall(LIVE)
        time.sleep(1)
        process.send_signal(signal.SIGCONT)
        read_live(answers)
    assert httpx.get(f"{url}/health/ready").status_code == 200
    assert httpx.post(url + PATH, content=zoo.png(), timeout=30).status_code == 200


def test_few_open_files_are_not_left_to_idle_connections(spawn, models, zoo):
    process = spawn(models, ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh"])
    url = url_of(process)
    with ExitStack() as stack:
        for _ in range(10):
            idle = [stack.enter_context(connected(url)) for _ in range(10)]
            assert httpx.post(url + PATH, content=zoo.png(), timeout=30).status_code == 200
        idle[0].close()
    assert httpx.get(f"{url}/health/ready").status_code == 200


def test_a_session_that_hangs_is_noticed(serve_with, zoo, monkeypatch):
    client, run, released = serve_with(request_timeout_s=1), OnnxModel.run, threading.Event()

    def hang(self, images):
        released.wait(30)
        return run(self, images)

    monkeypatch.setattr(OnnxModel, "run", hang)
    assert client.post(PATH, content=zoo.png()).status_code == 504
    time.sleep(0.3)
    for path in ("/health/ready", "/v2/health/ready"):
        unready = client.get(path)
        assert unready.status_code == 503
        assert re.search(r"orientation version 1 has been at one batch for \d s", unready.json()["error"])
    assert client.get("/health/live").status_code == 200
    released.set()
    time.sleep(0.2)
    assert client.get("/health/ready").status_code == 200
    assert client.post(PATH, content=zoo.png()).status_code == 200


def fussy(model: bytes) -> bytes:
    """The same graph, in which ONNX Runtime comes upon an index out of bounds where a picture has a white pixel."""
    graph = onnx.load_from_string(model)
    del graph.metadata_props[:]
    [softmax] = [node for node in graph.graph.node if node.op_type == "Softmax"]
    softmax.input[0] = "checked"
    nodes = [
        helper.make_node("ReduceMax", ["flat"], ["brightest"], axes=[1]),
        helper.make_node("Div", ["brightest", "white"], ["share"]),
        helper.make_node("Cast", ["share"], ["index"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "index"], ["nothing"]),
        helper.make_node("Add", ["logits", "nothing"], ["checked"]),
    ]
    graph.graph.node.remove(softmax)
    graph.graph.node.extend([*nodes, softmax])
    constants = {"white": np.array(255, np.float32), "table": np.zeros(1, np.float32)}
    graph.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    return graph.SerializeToString()


def test_a_session_that_raises_fails_that_picture_alone(serve_with, zoo, tmp_path):
    """500 for it, and whoever shared its batch is answered."""
    root = zoo.publish(tmp_path / "models", zoo.orientation(graph=fussy(zoo.orientation())))
    client = serve_with(models=root, threads=1)
    white = zoo.encode(Image.new("RGB", (32, 32), "white"), "PNG")

    def status(photo: bytes) -> int:
        return client.post(PATH, content=photo).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(status, [zoo.png(), white, zoo.png(), zoo.png()] * 8))
    assert statuses == [200, 500, 200, 200] * 8
    assert client.get("/health/ready").status_code == 200


def may_mount() -> bool:
    command = ["env", "SOURCES=/", "unshare", "--mount", "sh", "-c", BARE, "sh", "true"]
    return shutil.which("unshare") is not None and subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.skipif(not may_mount(), reason="nothing may be mounted here")
def test_nothing_but_the_models_is_needed(spawn, models, zoo):
    """A read-only root, no /dev/shm, a user without a name and without a home."""
    sources = __file__.partition("/tests/")[0]
    process = spawn(models, ["env", f"SOURCES={sources}", "unshare", "--mount", "sh", "-c", BARE, "sh"])
    url = url_of(process)
    assert httpx.post(url + PATH, content=zoo.png("left"), timeout=30).json()["predictions"][0]["label"] == "left"
    large = zoo.png(size=(4000, 4000))
    assert httpx.post(f"{url}/v1/upright?method=pixels", content=large, timeout=30).status_code == 200
