"""gRPC as its stubs see it; tests/serving/protocols/clients/ proves it with clients that others wrote."""

import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest
from grpc._cython import cygrpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import SettingsError
from models.extras import how_to_install
from serving.access.listening import listen
from serving.grpc.calls import CODES
from serving.grpc.protobuf import open_inference_pb2 as pb
from serving.grpc.protobuf.open_inference_pb2_grpc import GRPCInferenceServiceStub
from serving.http.app import create_app
from serving.http.errors import STATUSES
from serving.http.server import Server
from serving.service import PredictionService
from serving.settings import Settings

ROOT = Path(__file__).parents[3]
TIMEOUT_S = 30


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@pytest.fixture
def serve_grpc(serve_with: Callable[..., httpx.Client], free_port: int) -> Iterator[Callable[..., grpc.Channel]]:
    channel = grpc.insecure_channel(f"127.0.0.1:{free_port}")

    def start(**options) -> grpc.Channel:
        serve_with(grpc_port=free_port, **options)
        return channel

    with channel:
        yield start


@pytest.fixture(scope="module")
def channel(models) -> Iterator[grpc.Channel]:
    """To a server that many examples share."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options, ready = Settings(models=models, grpc_port=port), threading.Event()
    server = Server(create_app(options), listen("127.0.0.1", 0), options, on_ready=lambda _: ready.set())
    thread = threading.Thread(target=server.serve_until_stopped)
    thread.start()
    assert ready.wait(30)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    server.handle_exit(15, None)
    thread.join(30)


def photo_call(*photos: bytes, **fields) -> pb.ModelInferRequest:
    request = pb.ModelInferRequest(model_name="orientation", **fields)
    tensor = request.inputs.add(name="image", datatype="BYTES", shape=[len(photos)])
    tensor.contents.bytes_contents.extend(photos)
    return request


def code_of(call: Callable[[], object]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as raised:
        call()
    return raised.value.code(), raised.value.details()


def test_typed_tensors_get_typed_answers(serve_grpc, client, zoo):
    stub = GRPCInferenceServiceStub(serve_grpc())
    native = client.post("/v1/models/orientation:predict", content=zoo.png("left")).json()["predictions"][0]
    expected = pytest.approx(list(native["probabilities"].values()), abs=1e-6)
    answer = stub.ModelInfer(photo_call(zoo.png("left"), id="7"), timeout=TIMEOUT_S)
    assert (answer.model_name, answer.model_version, answer.id) == ("orientation", "1", "7")
    [output] = answer.outputs
    assert (output.datatype, list(output.shape), list(output.contents.fp32_contents)) == ("FP32", [1, 4], expected)
    pixels = pb.ModelInferRequest(model_name="orientation", model_version="1")
    tensor = pixels.inputs.add(name="image", datatype="UINT8", shape=[1, 32, 32, 3])
    tensor.contents.uint_contents.extend(np.asarray(zoo.lit("left")).ravel().tolist())
    wanted = pixels.outputs.add(name="probabilities")
    assert list(stub.ModelInfer(pixels, timeout=TIMEOUT_S).outputs[0].contents.fp32_contents) == expected
    wanted.parameters["classification"].int64_param = 1
    [label] = stub.ModelInfer(pixels, timeout=TIMEOUT_S).outputs[0].contents.bytes_contents
    assert label.endswith(b":3:left")


def test_errors_have_their_codes(serve_grpc, zoo):
    stub = GRPCInferenceServiceStub(serve_grpc(max_request_bytes=100_000, max_image_bytes=100_000))
    unraw = photo_call(zoo.png(), raw_input_contents=[b"x", b"y"])
    negative = photo_call(zoo.png())
    negative.inputs[0].shape[:] = [-1]
    typed = photo_call(zoo.png())
    typed.inputs[0].datatype = "UINT8"
    typed.inputs[0].contents.uint_contents.append(256)
    for request, code, sentence in (
        (photo_call(b"no image"), grpc.StatusCode.INVALID_ARGUMENT, "image 1 of 1: the data is not an image"),
        (photo_call(), grpc.StatusCode.INVALID_ARGUMENT, "the request holds no image"),
        (unraw, grpc.StatusCode.INVALID_ARGUMENT, "there are 2 raw_input_contents for 1 input;"),
        (
            negative,
            grpc.StatusCode.INVALID_ARGUMENT,
            "malformed at shape.0: must be at least 0; -1 was given",
        ),
        (typed, grpc.StatusCode.INVALID_ARGUMENT, "are not whole numbers from 0 to 255"),
        (pb.ModelInferRequest(model_name="nope"), grpc.StatusCode.NOT_FOUND, "there is no model 'nope'"),
        (photo_call(zoo.png(), model_version="9"), grpc.StatusCode.NOT_FOUND, "version '9'"),
        (photo_call(*[b"x"] * 65), grpc.StatusCode.INVALID_ARGUMENT, "the request has 65 images; at most 64"),
        (photo_call(bytes(200_000)), grpc.StatusCode.RESOURCE_EXHAUSTED, "larger than max"),
    ):
        given_code, given_sentence = code_of(lambda request=request: stub.ModelInfer(request, timeout=TIMEOUT_S))
        assert given_code == code
        assert sentence in given_sentence


def test_a_full_house_says_when_to_come_again(serve_grpc, zoo):
    stub = GRPCInferenceServiceStub(serve_grpc(max_queued_images=2, max_request_images=2, threads=1))
    slow = photo_call(zoo.encode(zoo.lit(size=(4000, 4000)), "PNG"))
    calls = [stub.ModelInfer.future(slow, timeout=TIMEOUT_S) for _ in range(8)]
    assert {call.code() for call in calls} == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
    refused = next(call for call in calls if call.code() != grpc.StatusCode.OK)
    assert dict(refused.trailing_metadata())["grpc-retry-pushback-ms"] == "1000"


def test_limits_that_grpc_cannot_count_are_those_of_grpc(serve_grpc, zoo):
    """The service ended at the start with a traceback."""
    huge = {f"max_{name}": 2**40 for name in ("request_bytes", "held_bytes", "queued_images")}
    answer = GRPCInferenceServiceStub(serve_grpc(**huge)).ModelInfer(photo_call(zoo.png()), timeout=TIMEOUT_S)
    assert list(answer.outputs[0].shape) == [1, 4]


def test_a_deadline_is_kept(serve_grpc, zoo):
    stub = GRPCInferenceServiceStub(serve_grpc(request_timeout_s=0.05, threads=1))
    code, sentence = code_of(lambda: stub.ModelInfer(photo_call(zoo.png(size=(6000, 6000))), timeout=TIMEOUT_S))
    assert (code, sentence) == (grpc.StatusCode.DEADLINE_EXCEEDED, "there was no answer within 0.05 s")


@pytest.mark.parametrize(("error", "kept"), [(cygrpc.ExecuteBatchError("gone"), False), (ValueError("ours"), True)])
def test_callers_whose_time_is_up_leave_no_traceback(serve_grpc, error, kept):
    """Whoever calls with a deadline of milliseconds had written two kilobytes of error into the log each time."""
    serve_grpc()
    log = logging.getLogger("grpc._cython.cygrpc")
    record = log.makeRecord(log.name, logging.ERROR, "", 0, "raised", (), (type(error), error, None))
    assert bool(log.filter(record)) is kept


def test_a_message_that_does_not_come_is_given_up(serve_grpc):
    """Nor does it keep others from being answered: fewer than the budget holds arrive at once, but none for ever."""
    channel = serve_grpc(request_timeout_s=0.3)
    unfinished = threading.Event()
    send = channel.stream_unary("/inference.GRPCInferenceService/ModelInfer", lambda message: message)
    code, sentence = code_of(lambda: send(iter(lambda: unfinished.wait(TIMEOUT_S), True), timeout=TIMEOUT_S))
    unfinished.set()
    assert (code, sentence) == (grpc.StatusCode.DEADLINE_EXCEEDED, "the message did not arrive within 0.3 s")
    code, sentence = code_of(lambda: send(iter([]), timeout=TIMEOUT_S))
    assert (code, sentence) == (grpc.StatusCode.INVALID_ARGUMENT, "the call has no message; exactly one is needed")


def test_health_is_that_of_the_server_and_of_each_model(serve_grpc):
    stub = health_pb2_grpc.HealthStub(serve_grpc())
    for name in ("", "inference.GRPCInferenceService", "orientation", "selfie"):
        answer = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=TIMEOUT_S)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    code, _ = code_of(lambda: stub.Check(health_pb2.HealthCheckRequest(service="nope"), timeout=TIMEOUT_S))
    assert code == grpc.StatusCode.NOT_FOUND
    watched = stub.Watch(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)
    assert next(watched).status == health_pb2.HealthCheckResponse.SERVING
    watched.cancel()


def test_control_calls_want_the_token(serve_grpc):
    load = GRPCInferenceServiceStub(serve_grpc(admin_token="secret")).RepositoryModelLoad
    request = pb.RepositoryModelLoadRequest(model_name="orientation")
    code, _ = code_of(lambda: load(request, metadata=(("authorization", "Bearer wrong"),), timeout=TIMEOUT_S))
    assert code == grpc.StatusCode.UNAUTHENTICATED
    token = (("authorization", "Bearer secret"),)
    assert load(request, metadata=token, timeout=TIMEOUT_S) == pb.RepositoryModelLoadResponse()
    request.parameters["config"].string_param = "{}"
    code, sentence = code_of(lambda: load(request, metadata=token, timeout=TIMEOUT_S))
    assert (code, "'config' is not allowed" in sentence) == (grpc.StatusCode.INVALID_ARGUMENT, True)


def test_control_calls_are_off_without_a_token(channel):
    stub = GRPCInferenceServiceStub(channel)
    request = pb.RepositoryModelUnloadRequest(model_name="orientation")
    assert code_of(lambda: stub.RepositoryModelUnload(request, timeout=TIMEOUT_S))[0] == (
        grpc.StatusCode.PERMISSION_DENIED
    )
    names = [entry.name for entry in stub.RepositoryIndex(pb.RepositoryIndexRequest(), timeout=TIMEOUT_S).models]
    assert names == ["orientation", "selfie"]


def test_reflection_names_the_services(serve_grpc):
    stub = reflection_pb2_grpc.ServerReflectionStub(serve_grpc())
    asked = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    [answer] = stub.ServerReflectionInfo(asked, timeout=TIMEOUT_S)
    assert {service.name for service in answer.list_services_response.service} == {
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
        "inference.GRPCInferenceService",
    }


def test_a_key_is_asked_for_where_http_asks_for_one(serve_grpc, tmp_path, zoo):
    file = tmp_path / "keys"
    file.write_text("secret\n")
    channel = serve_grpc(api_keys_file=file)
    stub = GRPCInferenceServiceStub(channel)
    assert stub.ServerReady(pb.ServerReadyRequest(), timeout=TIMEOUT_S).ready
    health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)
    for metadata in ((), (("authorization", "Bearer wrong"),)):
        code, sentence = code_of(
            lambda metadata=metadata: stub.ModelInfer(photo_call(zoo.png()), metadata=metadata, timeout=TIMEOUT_S)
        )
        assert (code, "secret" in sentence) == (grpc.StatusCode.UNAUTHENTICATED, False)
    reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
    code, _ = code_of(lambda: list(reflection.ServerReflectionInfo(iter([]), timeout=TIMEOUT_S)))
    assert code == grpc.StatusCode.UNAUTHENTICATED
    for key in (("authorization", "Bearer secret"), ("x-api-key", "secret")):
        assert stub.ModelInfer(photo_call(zoo.png()), metadata=(key,), timeout=TIMEOUT_S).model_name == "orientation"


def test_calls_are_counted_as_grpc(serve_with, free_port, zoo):
    client = serve_with(grpc_port=free_port)
    with grpc.insecure_channel(f"127.0.0.1:{free_port}") as channel:
        GRPCInferenceServiceStub(channel).ModelInfer(photo_call(zoo.png()), timeout=TIMEOUT_S)
    sample = 'loupe_requests_total{model="orientation",protocol="grpc",status="200",version="1"} 1.0'
    assert sample in client.get("/metrics").text


def test_what_was_begun_is_answered_before_the_end(models, free_port, zoo):
    """Who watches the health does not keep the server from stopping."""
    settings, ready = Settings(models=models, grpc_port=free_port), threading.Event()
    app = create_app(settings)
    server = Server(app, listen("127.0.0.1", 0), settings, on_ready=lambda _: ready.set())
    thread = threading.Thread(target=server.serve_until_stopped)
    thread.start()
    assert ready.wait(30)
    with grpc.insecure_channel(f"127.0.0.1:{free_port}") as channel:
        watched = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=60)
        assert next(watched).status == health_pb2.HealthCheckResponse.SERVING
        slow = photo_call(*[zoo.encode(zoo.lit(size=(4000, 4000)), "PNG")] * 4)
        call = GRPCInferenceServiceStub(channel).ModelInfer.future(slow, timeout=60)
        while not app.state.service.images.taken:
            time.sleep(0.001)
        server.handle_exit(15, None)
        assert list(call.result().outputs[0].shape) == [4, 4]
        thread.join(25)  # below the request_timeout_s that calls have to end by themselves
        assert not thread.is_alive()


def test_a_taken_port_is_one_sentence(models):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"the address 127.0.0.1:{port} cannot be listened on"):
            create_app(Settings(models=models, grpc_port=port))


def test_a_port_that_another_takes_while_models_load_is_one_sentence(models, monkeypatch, free_port):
    load, loaded = PredictionService.load, []

    def load_and_lose(*facts) -> PredictionService:
        loaded.extend([load(*facts), socket.create_server(("127.0.0.1", free_port))])
        return loaded[0]

    monkeypatch.setattr(PredictionService, "load", load_and_lose)
    try:
        with pytest.raises(SettingsError, match=f"the address 127.0.0.1:{free_port} cannot be listened on"):
            create_app(Settings(models=models, grpc_port=free_port))
    finally:
        for one in loaded:
            one.close()


def test_without_the_extra_the_port_is_one_sentence(models, tmp_path):
    (tmp_path / "grpc.py").write_text("raise ModuleNotFoundError('grpc')")
    command = [sys.executable, "-m", "serving.commands.cli", "serve", "--models", str(models), "--port", "0"]
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": path, "LOUPE_GRPC_PORT": "0"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert f"LOUPE_GRPC_PORT is set, which needs the extra `grpc`: {how_to_install('grpc')}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("class_", CODES)
def test_every_http_status_has_its_code(class_):
    assert CODES[class_][1] in {*STATUSES.values()}


@settings(deadline=None, max_examples=200)
@given(
    datatype=st.sampled_from(["UINT8", "BYTES", "FP32"]),
    shape=st.lists(st.sampled_from([-(2**40), -1, 0, 1, 2, 3, 32, 2**40]), max_size=5),
    typed=st.lists(st.binary(max_size=9), max_size=3),
    raw=st.lists(st.binary(max_size=40), max_size=3),
    numbers=st.lists(st.integers(0, 2**32 - 1), max_size=4),
)
def test_no_message_is_our_fault(channel, datatype, shape, typed, raw, numbers):
    request = pb.ModelInferRequest(model_name="orientation", raw_input_contents=raw)
    tensor = request.inputs.add(name="image", datatype=datatype, shape=shape)
    tensor.contents.bytes_contents.extend(typed)
    tensor.contents.uint_contents.extend(numbers)
    code, _ = code_of(lambda: GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=TIMEOUT_S))
    assert code == grpc.StatusCode.INVALID_ARGUMENT
