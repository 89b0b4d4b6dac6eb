import socket
from urllib.parse import urlsplit

import pytest

PATH = "/v1/models/orientation:predict"


@pytest.fixture
def full(serve_with, zoo):
    """A server whose places are all taken by somebody who has a long time to wait, and leaves at the end."""
    client = serve_with(max_queued_images=20, max_request_images=20, threads=1)
    address = urlsplit(str(client.base_url))
    slow = zoo.png(size=(7000, 7000))
    request = client.build_request("POST", PATH, files=[("image", (str(number), slow)) for number in range(20)])
    body = request.read()
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    with socket.create_connection((address.hostname, address.port)) as inside:
        inside.sendall(f"{head}Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode() + body)
        for _ in range(1000):
            if "loupe_held_images 20" in client.get("/metrics").text:
                break
        yield client


@pytest.mark.parametrize("path", [PATH, "/v1/predict?models=selfie", "/v2/models/orientation/infer"])
def test_a_full_house_refuses_before_it_reads_the_body(full, path):
    address = urlsplit(str(full.base_url))
    with socket.create_connection((address.hostname, address.port), timeout=30) as waiting:
        waiting.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n".encode())
        answer = waiting.recv(10_000)
    assert answer.startswith(b"HTTP/1.1 429 ")
    assert b"retry-after: 1\r\n" in answer.lower()
    assert b'"QueueFullError"' in answer
    protocol = "open_inference" if path.startswith("/v2") else "predict"
    counted = f'loupe_rejected_requests_total{{protocol="{protocol}",reason="QueueFullError"}} 1.0'
    assert counted in full.get("/metrics").text


def test_a_full_house_still_tells_how_it_is(full):
    for path in ("/health/live", "/health/ready", "/v1/models", "/metrics", "/version"):
        assert full.get(path).status_code == 200
    assert full.post("/v2/repository/index").status_code == 200
