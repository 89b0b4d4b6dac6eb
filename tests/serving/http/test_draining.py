"""The server as a process: what SIGTERM does, and what it does not."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

READY = "Loupe is ready at "
PATH = "/v1/models/orientation:predict"
SMALL = {"max_image_bytes": 1000, "max_request_bytes": 1000}
AS_FIRST = ["unshare", "--pid", "--fork", "--kill-child"]


def may_be_first() -> bool:
    return (
        shutil.which("unshare") is not None and subprocess.run([*AS_FIRST, "true"], capture_output=True).returncode == 0
    )


def url_of(process: subprocess.Popen[str]) -> str:
    return next(line for line in process.stdout if line.startswith(READY)).removeprefix(READY).strip()


def ended(process: subprocess.Popen[str]) -> int:
    process.communicate(timeout=60)
    return process.returncode


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("it did not come about within 30 s")


def held(url: str) -> float:
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("loupe_held_images "))


def listens(url: str) -> bool:
    address = urlsplit(url)
    with socket.socket() as connection:
        return connection.connect_ex((address.hostname, address.port)) == 0


def test_what_was_begun_is_answered_then_it_ends_well(spawn, models, zoo):
    process = spawn(models, threads=1, max_wait_s=60)
    url, photo = url_of(process), zoo.png(size=(3000, 3000))
    files = [("image", (str(number), photo)) for number in range(4)]
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(httpx.post, url + PATH, files=files, timeout=60) for _ in range(8)]
        wait_for(lambda: held(url) == 32)
        process.send_signal(signal.SIGTERM)
        assert [answer.result().status_code for answer in answers] == [200] * 8
    assert ended(process) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/health/live")


def test_in_the_pause_it_is_not_ready_but_answers(spawn, models, zoo):
    process = spawn(models, drain_pause_s=3)
    url = url_of(process)
    with httpx.Client(base_url=url) as kept:
        assert kept.get("/health/ready").status_code == 200
        process.send_signal(signal.SIGTERM)
        wait_for(lambda: httpx.get(f"{url}/health/ready").status_code == 503)
        response = kept.post(PATH, content=zoo.png("left"))
        assert response.json()["predictions"][0]["label"] == "left"
        assert response.headers["Connection"] == "close"
        assert kept.get("/v2/health/ready").status_code == 503
        assert kept.get("/health/live").status_code == 200
        assert kept.get("/health").json()["ready"] is False
    _, log = process.communicate(timeout=60)
    assert process.returncode == 0
    assert '"path": "/health", "status": 200' in log


def test_a_second_signal_ends_it_at_once(spawn, models, zoo):
    process = spawn(models, threads=1, drain_pause_s=600)
    url, photo = url_of(process), zoo.png(size=(6000, 6000))
    files = [("image", (str(number), photo)) for number in range(60)]
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(httpx.post, url + PATH, files=files, timeout=60)
        wait_for(lambda: held(url) == 60)
        process.send_signal(signal.SIGTERM)
        wait_for(lambda: httpx.get(f"{url}/health/ready").status_code == 503)
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=60)
        assert process.returncode == 128 + signal.SIGTERM
        assert '"path": "/health/ready", "status": 503' in log
        assert '"message": "SIGTERM again: what was begun is given up"' in log.splitlines()[-1]
        assert isinstance(answer.exception(), httpx.TransportError)


def test_ctrl_c_does_not_pause(spawn, models):
    process = spawn(models, drain_pause_s=600)
    url_of(process)
    process.send_signal(signal.SIGINT)
    assert ended(process) == 0


@pytest.mark.parametrize(
    "before",
    [[], pytest.param(AS_FIRST, marks=pytest.mark.skipif(not may_be_first(), reason="no PID namespace may be made"))],
    ids=["as a process", "as the first one of a container"],
)
def test_while_models_load_it_ends_too(spawn, zoo, tmp_path, before):
    root = zoo.publish(tmp_path, *(zoo.selfie(name=f"model-{number}") for number in range(300)))
    process = spawn(root, before)
    assert "model loaded" in process.stderr.readline()
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[0]) if before else process.pid, signal.SIGTERM)
    output, log = process.communicate(timeout=60)
    assert READY not in output
    assert process.returncode == 0
    assert '"message": "SIGTERM"' in log.splitlines()[-1]


@contextmanager
def refused_early(url: str, status: int) -> Iterator[socket.socket]:
    """A client that has been answered while 20 MB are still to be sent, and has not looked."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\n\r\n".encode())
        assert connection.recv(1000, socket.MSG_PEEK).startswith(f"HTTP/1.1 {status} ".encode())
        yield connection


@pytest.mark.parametrize("status", [413, 401])
def test_who_was_refused_and_is_still_sending_hears_of_it(spawn, models, tmp_path, status):
    """One answer ends the connection, the other had kept it alive."""
    keys = tmp_path / "keys"
    keys.write_text("secret")
    process = spawn(models, **(SMALL if status == 413 else {"api_keys_file": keys}))
    url = url_of(process)
    with refused_early(url, status) as connection:
        process.send_signal(signal.SIGTERM)
        wait_for(lambda: not listens(url))
        connection.sendall(bytes(20_000_000))
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
        assert answer.startswith(f"HTTP/1.1 {status} ".encode())
        assert answer.endswith(b"}")
    assert ended(process) == 0


def test_who_was_refused_and_stays_does_not_hold_it_up(spawn, models):
    process = spawn(models, **SMALL, request_timeout_s=2)
    url = url_of(process)
    with refused_early(url, 413):
        process.send_signal(signal.SIGTERM)
        started = time.monotonic()
        assert ended(process) == 0
        assert time.monotonic() - started < 10
