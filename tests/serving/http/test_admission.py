import socket
from urllib.parse import urlsplit

import pytest

PATH = "/v1/models/orientation:predict"


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
