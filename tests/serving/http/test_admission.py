import asyncio
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from serving.http.refusing import noting, refusal
from serving.observability.recorder import Recorder, RequestRecord
from serving.service.admission import Admission
from serving.settings import Settings

PATH = "/v1/models/orientation:predict"


@pytest.mark.parametrize("path", [PATH, "/v1/predict?models=selfie", "/v2/models/orientation/infer"])
def test_a_full_house_refuses_before_it_reads_the_body(full, path):
    address = urlsplit(str(full.base_url))
    with socket.create_connection((address.hostname, address.port), timeout=30) as waiting:
        page = "Origin: https://a.example\r\n"
        waiting.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\n{page}Content-Length: 1000000\r\n\r\n".encode())
        answer = waiting.recv(10_000)
    assert answer.startswith(b"HTTP/1.1 429 ")
    assert b"retry-after: 1\r\n" in answer.lower()
    assert b"access-control-allow-origin: https://a.example\r\n" in answer.lower()
    assert b'"QueueFullError"' in answer
    protocol = "open_inference" if path.startswith("/v2") else "predict"
    counted = f'loupe_rejected_requests_total{{protocol="{protocol}",reason="QueueFullError"}} 1.0'
    assert counted in full.get("/metrics").text


@pytest.mark.parametrize("path", [PATH, "/v1/upright", "/health/live", "/v1/models/orientation:feedback", "/no/such"])
def test_a_query_of_many_fields_is_refused_before_it_is_parsed(client, path):
    """30 kB of them took 60 ms of the loop, on whatever path."""
    method = "GET" if path in ("/health/live", "/no/such") else "POST"
    told = client.request(method, f"{path}?{'a%&' * 64}", content=b"").json()
    assert told["error"] == "the query has more than the 64 parameters that are allowed"
    assert "more than the 64" not in client.request(method, f"{path}?{'a%&' * 63}", content=b"").text


def test_a_full_house_still_tells_how_it_is(full):
    for path in ("/health/live", "/health/ready", "/v1/models", "/metrics", "/version"):
        assert full.get(path).status_code == 200
    assert full.post("/v2/repository/index").status_code == 200


def test_refusals_keep_the_connection_and_the_order(full):
    address = urlsplit(str(full.base_url))
    post = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nX-Request-ID: mine\r\nContent-Length: 5000\r\n\r\n".encode() + bytes(
        5000
    )
    last = b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with socket.create_connection((address.hostname, address.port), timeout=30) as pipelined:
        pipelined.sendall(post * 20 + last)
        answers = b"".join(iter(lambda: pipelined.recv(65_536), b"")).split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == [b"429"] * 20 + [b"200"]
    assert all(b"x-request-id: mine\r\n" in answer for answer in answers[:20])


def test_of_those_who_come_at_once_no_more_pass_the_door_than_there_is_room_for():
    """Each is told before its task begins; one that was let in and is refused inside costs three times as much."""
    admission, records = Admission(Settings(max_queued_images=2, max_request_images=1)), list[RequestRecord]()
    scope = {"method": "POST", "path": PATH, "headers": []}

    async def come() -> list[bool]:
        recorder = Recorder([records.extend])
        refuse = refusal(SimpleNamespace(admission=admission), noting(recorder))
        at_once = [refuse(scope) is None for _ in range(4)]
        await asyncio.sleep(0)  # they have had their first step, and hold nothing
        fifth = refuse(scope) is None
        recorder.tell()
        return [*at_once, fifth]

    assert asyncio.run(come()) == [True, True, False, False, True]
    assert [(record.status, record.error_type) for record in records] == [(429, "QueueFullError")] * 2


def test_who_would_wait_too_long_is_told_how_long(serve_with, zoo):
    """And is let in when that time has passed; by default that is a quarter of a second."""
    client = serve_with(threads=1, patient=False)
    slow = [("image", (str(number), zoo.png(size=(2500, 2500)))) for number in range(16)]
    assert client.post(PATH, files=slow).status_code == 200  # teaches it what such photos take
    with ThreadPoolExecutor(1) as pool:
        started = time.monotonic()
        inside = pool.submit(client.post, PATH, files=slow)
        while "loupe_held_images 16" not in client.get("/metrics").text:
            assert time.monotonic() < started + 20
        refused = client.post(PATH, content=zoo.png())
        told = time.monotonic()
        assert (refused.status_code, refused.json()["error_type"]) == (429, "QueueFullError")
        assert "an image would wait" in refused.json()["error"]
        assert inside.result().status_code == 200
        took_s = time.monotonic() - told
    assert took_s / 4 < int(refused.headers["Retry-After"]) < 4 * took_s + 1
    assert client.post(PATH, content=zoo.png()).status_code == 200


def test_a_request_that_was_let_in_is_not_turned_away_half_way(serve_with, zoo):
    """An upright photo is judged twice, the second time perhaps in a full house."""
    client = serve_with(threads=1, max_wait_s=0.001)
    sideways = zoo.encode(zoo.lit("left", (1500, 1500)), "PNG")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: client.post("/v1/upright", content=sideways), range(40)))
    assert {answer.status_code for answer in answers} == {200, 429}
    assert {answer.headers["Loupe-Method"] for answer in answers if answer.status_code == 200} == {"tag"}
