"""What gRPC may hold: messages count from their first byte, and what lasts for ever leaves room for the rest."""

import contextlib
import gc
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import AsyncGeneratorType, CoroutineType, FrameType

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from hypothesis import given
from hypothesis import strategies as st

from models.errors import RequestError, RequestTooLargeError
from serving.grpc.protobuf import open_inference_pb2 as pb
from serving.grpc.protobuf.open_inference_pb2_grpc import GRPCInferenceServiceStub
from serving.grpc.wire import parsed_bytes

TIMEOUT_S = 30
MIB = 1024 * 1024
INFER = "/inference.GRPCInferenceService/ModelInfer"
CHECK = "/grpc.health.v1.Health/Check"
FULL = grpc.StatusCode.RESOURCE_EXHAUSTED
INFER_REQUEST = pb.ModelInferRequest.DESCRIPTOR


@pytest.fixture
def both(serve_with: Callable[..., httpx.Client]) -> Iterator[Callable[..., tuple[httpx.Client, grpc.Channel]]]:
    """A server's two doors."""
    with ExitStack() as stack:

        def start(**settings) -> tuple[httpx.Client, grpc.Channel]:
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
            client = serve_with(grpc_port=port, **settings)
            client.grpc_port = port
            options = [("grpc.max_send_message_length", -1)]
            return client, stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{port}", options))

        yield start


def photo_call(*photos: bytes) -> pb.ModelInferRequest:
    request = pb.ModelInferRequest(model_name="orientation")
    request.inputs.add(name="image", datatype="BYTES", shape=[len(photos)]).contents.bytes_contents.extend(photos)
    return request


def held(client: httpx.Client) -> float:
    lines = client.get("/metrics").text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("loupe_held_bytes "))


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.02)


def test_watches_without_a_key_leave_room_for_every_other_call(both, tmp_path, zoo):
    keys = tmp_path / "keys"
    keys.write_text("secret")
    _, channel = both(api_keys_file=keys)
    health = health_pb2_grpc.HealthStub(channel)
    watches = [health.Watch(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S) for _ in range(320)]
    codes = [first_of(watch) for watch in watches]
    assert codes.count(None) == 8
    assert codes.count(FULL) == 312
    for _ in range(3):
        health.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)
        stub = GRPCInferenceServiceStub(channel)
        stub.ModelInfer(photo_call(zoo.png()), metadata=(("x-api-key", "secret"),), timeout=TIMEOUT_S)
    watches[codes.index(None)].cancel()
    wait_for(lambda: first_of(health.Watch(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)) is None)


def first_of(watch) -> grpc.StatusCode | None:
    try:
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
    except grpc.RpcError as error:
        return error.code()
    return None


def test_reflections_are_few_at_a_time(both):
    _, channel = both()
    unfinished = threading.Event()

    def asked() -> Iterator[reflection_pb2.ServerReflectionRequest]:
        yield reflection_pb2.ServerReflectionRequest(list_services="")
        unfinished.wait(TIMEOUT_S)

    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    calls = [stub.ServerReflectionInfo(asked(), timeout=TIMEOUT_S) for _ in range(2)]
    for call in calls:
        assert next(call).list_services_response.service
    with pytest.raises(grpc.RpcError, match="one caller may hold 2"):
        next(stub.ServerReflectionInfo(asked(), timeout=TIMEOUT_S))
    unfinished.set()


def test_messages_that_do_not_come_leave_half_of_the_budget_to_others(both, zoo):
    settings = {"max_held_bytes": 80 * MIB, "max_request_bytes": 8 * MIB, "max_image_bytes": 8 * MIB}
    client, channel = both(**settings)
    unfinished = threading.Event()
    send = channel.stream_unary(INFER, lambda message: message)
    with ExitStack() as stack:
        stack.callback(unfinished.set)
        calls = [send.future(iter(lambda: unfinished.wait(TIMEOUT_S), True), timeout=TIMEOUT_S) for _ in range(20)]
        wait_for(lambda: held(client) > 15 * MIB)
        assert held(client) < 17 * MIB  # of one address two of the four places, each as large as the largest message
        assert client.post("/v1/models/orientation:predict", content=zoo.png()).status_code == 200
        for call in calls:
            call.cancel()
    wait_for(lambda: held(client) == 0)


def never(event: threading.Event) -> Iterator[bytes]:
    event.wait(TIMEOUT_S)
    yield from ()


@pytest.mark.parametrize("silent", [INFER, CHECK])
def test_messages_that_do_not_come_leave_health_its_place(both, silent):
    """Three of them kept all other calls waiting for half a minute. The time limits are long: none of them helps."""
    settings = {"max_held_bytes": 80 * MIB, "max_request_bytes": 8 * MIB, "max_image_bytes": 8 * MIB}
    client, channel = both(**settings, request_timeout_s=TIMEOUT_S, read_timeout_s=TIMEOUT_S)
    unfinished = threading.Event()
    with ExitStack() as stack:
        stack.callback(unfinished.set)
        send = channel.stream_unary(silent)
        calls = [send.future(never(unfinished), timeout=TIMEOUT_S) for _ in range(6)]
        if silent == INFER:
            wait_for(lambda: held(client) > 15 * MIB)
        asked_by_another = grpc.insecure_channel(
            f"127.0.0.1:{client.grpc_port}", [("grpc.use_local_subchannel_pool", 1)]
        )
        with asked_by_another as other:
            health_pb2_grpc.HealthStub(other).Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S / 2)
            assert GRPCInferenceServiceStub(other).ServerReady(pb.ServerReadyRequest(), timeout=TIMEOUT_S / 2).ready
        for call in calls:
            call.cancel()


def test_calls_without_images_are_as_small_as_that(both):
    _, channel = both()
    with pytest.raises(grpc.RpcError, match="more than the 65536 bytes that this call may have"):
        channel.unary_unary("/inference.GRPCInferenceService/ModelReady")(b"\x0a\x04" + b"name" * 20_000)
    stub = GRPCInferenceServiceStub(channel)
    assert stub.ServerLive(pb.ServerLiveRequest(), timeout=TIMEOUT_S).live


@pytest.fixture
def counting() -> Iterator[Callable[[int], tuple[int, list[int]]]]:
    """Stands before a port; yields its own, and what came for the other one so far."""
    with ExitStack() as stack:

        def start(port: int) -> tuple[int, list[int]]:
            listener, came = stack.enter_context(socket.create_server(("127.0.0.1", 0))), [0]

            def pass_on(source: socket.socket, sink: socket.socket, counts: bool) -> None:
                with contextlib.suppress(OSError):
                    while data := source.recv(1 << 20):
                        sink.sendall(data)
                        came[0] += len(data) if counts else 0

            def shut(one: socket.socket) -> None:
                with contextlib.suppress(OSError):  # the other end may have done so
                    one.shutdown(socket.SHUT_RDWR)

            def accept() -> None:
                client, server = listener.accept()[0], socket.create_connection(("127.0.0.1", port))
                for one in (client, server):
                    stack.callback(one.close)
                    stack.callback(shut, one)
                threading.Thread(target=pass_on, args=(client, server, True), daemon=True).start()
                threading.Thread(target=pass_on, args=(server, client, False), daemon=True).start()

            threading.Thread(target=accept, daemon=True).start()
            return listener.getsockname()[1], came

        yield start


def test_messages_that_nobody_has_asked_for_yet_are_not_sent(both, counting):
    """All streams of one fast connection were given megabytes ahead: 24 messages of 63 MB held 1.7 GB."""
    settings = {"max_held_bytes": 80 * MIB, "max_request_bytes": 8 * MIB, "max_image_bytes": 8 * MIB}
    client, _ = both(**settings)
    port, came = counting(client.grpc_port)
    unfinished = threading.Event()
    with ExitStack() as stack:
        stack.callback(unfinished.set)
        channel = stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{port}"))
        wait = iter(lambda: unfinished.wait(TIMEOUT_S), True)
        taking = [channel.stream_unary(INFER).future(wait, timeout=TIMEOUT_S) for _ in range(2)]
        wait_for(lambda: held(client) > 15 * MIB)  # all places of this caller
        waiting = [channel.unary_unary(INFER).future(bytes(8 * MIB - 1000), timeout=TIMEOUT_S) for _ in range(16)]
        time.sleep(1)
        assert came[0] < 8 * MIB
        for call in (*taking, *waiting):
            call.cancel()


def test_a_message_counts_until_it_is_answered(both, zoo):
    client, channel = both(threads=1)
    slow = zoo.encode(zoo.lit(size=(6000, 6000)), "PNG")
    call = GRPCInferenceServiceStub(channel).ModelInfer.future(photo_call(*[slow] * 4), timeout=TIMEOUT_S)
    wait_for(lambda: 2 * 4 * len(slow) <= held(client) < MIB)  # as it came, and what was made of it
    call.result()
    wait_for(lambda: held(client) == 0)


def test_millions_of_empty_photos_are_refused_before_one_is_made(both):
    client, channel = both()
    contents = b"\x42\x00" * 4_000_000
    tensor = b"\x0a\x05image\x12\x05BYTES\x1a\x01\x01" + b"\x2a" + varint(len(contents)) + contents
    message = b"\x0a\x0borientation\x2a" + varint(len(tensor)) + tensor
    call = channel.unary_unary(INFER)
    started = time.monotonic()
    with pytest.raises(grpc.RpcError, match="more than the 2048 fields that are allowed") as raised:
        call(message, timeout=TIMEOUT_S)
    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert time.monotonic() - started < 10
    wait_for(lambda: held(client) == 0)


@pytest.mark.parametrize("field", [0x1A, 0x22, 0x2A])
def test_millions_of_numbers_are_refused_before_one_is_made(both, field):
    """A shape of 20 million extents, 20 kB of gzip, stopped the event loop for 1.2 s and took 945 MB."""
    client, channel = both()
    numbers = bytes([field]) + varint(4_000_000) + bytes(4_000_000)
    contents = numbers if field == 0x1A else b"\x2a" + varint(len(numbers)) + numbers
    tensor = b"\x0a\x05image\x12\x05UINT8" + contents
    message = b"\x0a\x0borientation\x2a" + varint(len(tensor)) + tensor
    with pytest.raises(grpc.RpcError, match="the message has more numbers than any call takes"):
        channel.unary_unary(INFER)(message, timeout=TIMEOUT_S)
    wait_for(lambda: held(client) == 0)


@pytest.mark.parametrize("message", [b"\xff", b"\x0a\x7f", b"\x0b\x0c", b"\x0a\x01\xff", b"\x80" * 20])
def test_a_message_that_is_none_is_an_invalid_argument(both, message):
    _, channel = both()
    with pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary(INFER)(message, timeout=TIMEOUT_S)
    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def frames() -> int:
    """What is there of calls that have begun, and of those that something still refers to."""
    gc.collect()
    kinds = {FrameType: "f_code", CoroutineType: "cr_code", AsyncGeneratorType: "ag_code"}
    codes = [getattr(one, kinds[type(one)]) for one in gc.get_objects() if type(one) in kinds]
    return sum("/serving/grpc/" in code.co_filename and "/tests/" not in code.co_filename for code in codes)


def test_a_call_that_failed_leaves_nothing_behind(both, zoo):
    """gRPC keeps what a handler raised, with all frames that its tracebacks name: they held 160 MB for 60 MB sent."""
    _, channel = both()
    infer = GRPCInferenceServiceStub(channel).ModelInfer
    infer(photo_call(zoo.png()), timeout=TIMEOUT_S)
    before, bad = frames(), photo_call(b"no image")
    for _ in range(8):
        with pytest.raises(grpc.RpcError, match="not an image"):
            infer(bad, timeout=TIMEOUT_S)
        with pytest.raises(grpc.RpcError):
            channel.unary_unary(INFER)(b"\xff", timeout=TIMEOUT_S)
    wait_for(lambda: frames() <= before + 1)  # that of the last one, until the next


def varint(value: int) -> bytes:
    digits = []
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    return bytes([*digits, value])


@given(st.lists(st.binary(max_size=300), max_size=20), st.lists(st.integers(0, 2**32 - 1), max_size=200))
def test_what_a_message_takes_is_counted_on_the_wire(photos, numbers):
    request = photo_call(*photos)
    request.inputs[0].contents.uint_contents.extend(numbers)
    data = request.SerializeToString()
    size = parsed_bytes(data, INFER_REQUEST, 1000, 64)
    assert size >= len(data) + 4 * len(numbers) + 16 * len(photos)
    with pytest.raises(RequestTooLargeError, match="more than the 3 fields"):
        parsed_bytes(data, INFER_REQUEST, 3, 64)


@given(st.binary(max_size=100))
def test_no_bytes_upset_the_count(data):
    try:
        assert parsed_bytes(data, INFER_REQUEST, 50, 64) >= len(data)
    except (RequestError, RequestTooLargeError):
        return
