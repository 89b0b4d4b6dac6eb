"""A client that leaves while it is being answered: its work is dropped, counted, and disturbs nobody."""

import socket
import time
from urllib.parse import urlsplit

import pytest

PATH = "/v1/models/orientation:predict"
ONE_PHOTO = "Inference-Header-Content-Length: 0\r\n"
DROPPED = 'loupe_dropped_images_total{model="orientation",reason="cancelled"} '


def value(client, start: str) -> float:
    return next(
        float(line.removeprefix(start)) for line in client.get("/metrics").text.splitlines() if line.startswith(start)
    )


def wait_for(condition) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("it did not come about within 30 s")


@pytest.mark.parametrize("path", [PATH, "/v2/models/orientation/infer"])
def test_its_work_is_dropped_and_counted(serve_with, zoo, path):
    client = serve_with(threads=1)
    slow = zoo.png(size=(6000, 6000))
    address = urlsplit(str(client.base_url))
    leaving = [socket.create_connection((address.hostname, address.port)) for _ in range(30)]
    for connection in leaving:
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(slow)}\r\n{ONE_PHOTO}\r\n"
        connection.sendall(head.encode() + slow)
    wait_for(lambda: value(client, "loupe_held_images ") > 10)
    for connection in leaving:
        connection.close()
    wait_for(lambda: value(client, "loupe_held_images ") == 0)
    assert value(client, "loupe_held_bytes ") == 0
    assert value(client, DROPPED) > 10
    started = time.perf_counter()
    assert client.post(PATH, content=zoo.png("left")).json()["predictions"][0]["label"] == "left"
    one_photo_s = time.perf_counter() - started
    assert one_photo_s < 10  # 30 of the slow ones, if they were still decoded, would take longer
