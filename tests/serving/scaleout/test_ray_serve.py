"""Ray Serve: serve_config.yaml on a node of its own, with either proxy; its answers are those of one process."""

import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest
import ray
import yaml

from serving.grpc.protobuf import open_inference_pb2 as pb
from serving.grpc.protobuf.open_inference_pb2_grpc import GRPCInferenceServiceStub
from serving.scaleout.ray_serve import replica_settings

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "deploy/kuberay/serve_config.yaml"
SERVE = Path(sys.executable).with_name("serve")
HAPROXY = {"RAY_SERVE_ENABLE_HA_PROXY": "1", "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"}
MOVING = ("date", "server", "server-timing", "x-request-id", "connection", "keep-alive")


@pytest.fixture(scope="module", params=[{}, HAPROXY], ids=["python", "haproxy"])
def proxy(request) -> dict[str, str]:
    return request.param


@pytest.fixture(scope="module")
def folder(proxy, models, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("serve")
    shutil.copytree(models, folder / "models")
    _write(folder / "config.yaml", reload=1)
    return folder


def _write(path: Path, reload: int) -> None:
    """The configuration that is shipped, for one replica with one core, of which there are two."""
    config = yaml.safe_load(CONFIG.read_text())
    [deployment] = config["applications"][0]["deployments"]
    deployment["ray_actor_options"] = {"num_cpus": 1}
    deployment["autoscaling_config"] |= {"min_replicas": 1, "max_replicas": 1}
    deployment["user_config"]["reload"] = reload
    path.write_text(yaml.safe_dump(config))


@pytest.fixture(scope="module")
def on_ray(proxy, folder, alone):
    """A client of what ``serve run`` runs on a cluster of its own."""
    environment = {
        "LOUPE_MODELS": str(folder / "models"),
        "LOUPE_MAX_WAIT_S": "60",
        "PYTHONPATH": str(ROOT),
    }
    command = [SERVE, "run", folder / "config.yaml"]
    with (
        (folder / "log").open("w+b") as log,
        subprocess.Popen(command, env=os.environ | alone | environment | proxy, stdout=log, stderr=log) as process,
        httpx.Client(base_url="http://127.0.0.1:8000", timeout=60) as client,
    ):
        try:
            _wait(client, process, folder / "log")
            yield client
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(client: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 280
    while time.monotonic() < until and process.poll() is None:
        with suppress(httpx.TransportError):
            if client.get("/health/ready").status_code == 200:
                return
        time.sleep(0.5)
    raise AssertionError(log.read_text())


def _same(one: httpx.Response, other: httpx.Response) -> None:
    assert (one.status_code, one.content) == (other.status_code, other.content)
    kept = [{name: value for name, value in answer.headers.items() if name not in MOVING} for answer in (one, other)]
    assert kept[0] == kept[1]


def _photos(zoo) -> dict[str, bytes]:
    return {
        f"{side} {kind}": zoo.encode(zoo.lit(side, (640, 480)), kind) for side in zoo.sides for kind in ("JPEG", "PNG")
    }


def test_answers_are_those_of_one_process(on_ray, client, zoo):
    for data in _photos(zoo).values():
        for path in ("/v1/models/orientation:predict", "/v1/models/selfie:predict", "/v1/predict"):
            _same(on_ray.post(path, content=data), client.post(path, content=data))


def test_photos_are_turned_as_by_one_process(on_ray, client, zoo):
    for data in _photos(zoo).values():
        answer = on_ray.post("/v1/upright", content=data)
        assert answer.status_code == 200
        _same(answer, client.post("/v1/upright", content=data))


def test_errors_are_those_of_one_process(on_ray, client):
    for method, path, data in (
        ("POST", "/v1/predict", b"no image"),
        ("POST", "/v1/predict", b""),
        ("POST", "/v1/models/nobody:predict", b"x"),
        ("GET", "/v1/predict", None),
        ("GET", "/nowhere", None),
    ):
        _same(*(one.request(method, path, content=data) for one in (on_ray, client)))


def test_health_and_what_models_tell_are_those_of_one_process(on_ray, client):
    for path in ("/health/live", "/health/ready", "/health", "/v1/models", "/openapi.json"):
        _same(on_ray.get(path), client.get(path))


@pytest.fixture(scope="module")
def calls(on_ray, proxy):
    """The calls over gRPC, through Serve's proxy."""
    with grpc.insecure_channel("127.0.0.1:9000") as channel:
        yield GRPCInferenceServiceStub(channel)


def test_grpc_answers_are_those_of_one_process(calls, client, zoo):
    photo = zoo.encode(zoo.lit("left", (640, 480)), "JPEG")
    asked = pb.ModelInferRequest(
        model_name="orientation", raw_input_contents=[len(photo).to_bytes(4, "little") + photo]
    )
    asked.inputs.add(name="image", datatype="BYTES", shape=[1])
    answer = calls.ModelInfer(asked, timeout=60)
    expected = client.post("/v1/models/orientation:predict", content=photo).json()["predictions"][0]["probabilities"]
    told = np.frombuffer(answer.raw_output_contents[0], np.float32)
    assert told == pytest.approx(list(expected.values()), abs=1e-6)
    assert calls.ServerReady(pb.ServerReadyRequest(), timeout=60).ready
    assert calls.ModelMetadata(pb.ModelMetadataRequest(name="selfie"), timeout=60).name == "selfie"


def test_grpc_errors_have_the_codes_of_one_process(calls):
    photo = b"no image"
    broken = pb.ModelInferRequest(
        model_name="orientation", raw_input_contents=[len(photo).to_bytes(4, "little") + photo]
    )
    broken.inputs.add(name="image", datatype="BYTES", shape=[1])
    for call, message, code in (
        (calls.ModelInfer, broken, grpc.StatusCode.INVALID_ARGUMENT),
        (calls.ModelInfer, pb.ModelInferRequest(model_name="nobody"), grpc.StatusCode.NOT_FOUND),
        (calls.ModelMetadata, pb.ModelMetadataRequest(name="nobody"), grpc.StatusCode.NOT_FOUND),
        (
            calls.RepositoryModelUnload,
            pb.RepositoryModelUnloadRequest(model_name="selfie"),
            grpc.StatusCode.PERMISSION_DENIED,
        ),
    ):
        with pytest.raises(grpc.RpcError) as raised:
            call(message, timeout=60)
        assert raised.value.code() is code, raised.value.details()
        assert "Traceback" not in raised.value.details()


def test_a_replica_counts_its_requests(on_ray, zoo):
    def count() -> float:
        lines = on_ray.get("/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith("loupe_predictions_total{"))

    before = count()
    for _ in range(10):
        on_ray.post("/v1/models/orientation:predict", content=zoo.png()).raise_for_status()
    assert count() == before + 10


def test_threads_are_the_cores_that_ray_gave(on_ray):
    ray.init(address="auto", log_to_driver=False)
    try:
        ask = ray.remote(num_cpus=1)(lambda: replica_settings().threads)
        assert ray.get(ask.remote(), timeout=60) == 1
    finally:
        ray.shutdown()


def test_a_new_version_is_deployed_without_a_lost_request(on_ray, folder, zoo):
    zoo.publish(folder / "models", zoo.orientation(version=2))
    _write(folder / "again.yaml", reload=2)
    _deploy(folder / "again.yaml")
    until, version = time.monotonic() + 60, "1"
    while version == "1" and time.monotonic() < until:
        answer = on_ray.post("/v1/models/orientation:predict", content=zoo.png())
        assert answer.status_code == 200, answer.text
        version = on_ray.get("/v1/models/orientation").json()["model_version_status"][0]["version"]
    assert version == "2"


def _deploy(config: Path) -> None:
    """Through the dashboard, which may be ready later than the application."""
    until = time.monotonic() + 60
    while (
        deploy := subprocess.run([SERVE, "deploy", config], capture_output=True, timeout=60, check=False)
    ).returncode:
        assert time.monotonic() < until, deploy.stderr
