"""A server as a process, and pictures of few bytes that take long: what gave up costs no more, and nothing waits."""

import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from PIL import Image

READY = "Loupe is ready at "
PATH = "/v1/models/orientation:predict"


@pytest.fixture(scope="module")
def dear() -> bytes:
    """2 kB, one colour, 49 megapixels: 1.7 s of a core and 0.8 GB."""
    buffer = BytesIO()
    Image.new("RGBA", (7000, 7000)).save(buffer, "WEBP", lossless=True, method=0)
    return buffer.getvalue()


def url_of(process: subprocess.Popen[str]) -> str:
    return next(line for line in process.stdout if line.startswith(READY)).removeprefix(READY).strip()


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def wait_for(condition) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until, "it did not come about within 30 s"
        time.sleep(0.02)


def test_a_request_that_gave_up_costs_nothing_more(spawn, models, dear, zoo):
    process = spawn(models, request_timeout_s=1.5)
    url = url_of(process)
    response = httpx.post(url + PATH, content=dear, timeout=60)
    assert response.status_code in (200, 504)  # 200 where a core is fast and free
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(httpx.post, url + PATH, content=dear, timeout=60)
        wait_for(lambda: len(children(process.pid)) >= 1)
        assert httpx.get(f"{url}/health/live", timeout=5).status_code == 200
        assert httpx.post(url + PATH, content=zoo.png("left"), timeout=5).status_code == 200
        asking.result()
    wait_for(lambda: not children(process.pid))  # killed, or ended by itself 5 s after its last work


def test_sigterm_ends_the_server_in_its_time_whatever_is_being_decoded(spawn, models, dear):
    process = spawn(models, request_timeout_s=3, threads=1)
    url = url_of(process)
    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(httpx.post, url + PATH, content=dear, timeout=60) for _ in range(4)]
        wait_for(lambda: len(children(process.pid)) == 1)
        there = "loupe_requests_in_flight 5.0"  # those, and the one that asks
        wait_for(lambda: there in httpx.get(f"{url}/metrics").text or any(one.done() for one in asking))
        decoding = children(process.pid)
        process.send_signal(signal.SIGTERM)
        started = time.monotonic()
        process.communicate(timeout=30)
        assert time.monotonic() - started < 15
        assert process.returncode == 0
        assert {one.result().status_code for one in asking} <= {200, 429, 504}
    with pytest.raises(ProcessLookupError):
        os.kill(decoding[0], 0)


def test_ctrl_c_is_the_servers_affair_alone(spawn, models):
    """What it began is answered, although a terminal sends the signal to the whole group."""
    buffer = BytesIO()
    Image.new("RGBA", (2000, 2000)).save(buffer, "WEBP", lossless=True, method=0)
    dear = buffer.getvalue()
    process = spawn(models, request_timeout_s=60, threads=1)
    url = url_of(process)
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(httpx.post, url + PATH, content=dear, timeout=90)
        # One that has just begun is in the server's group for a moment.
        wait_for(lambda: [os.getpgid(one) != os.getpgid(process.pid) for one in children(process.pid)] == [True])
        process.send_signal(signal.SIGINT)
        assert asking.result().status_code == 200
    process.communicate(timeout=30)


def test_what_does_not_fit_into_the_budget_is_a_413_that_names_it(spawn, models, dear):
    url = url_of(spawn(models, max_decoded_bytes=512 * 1024**2))
    response = httpx.post(url + PATH, content=dear, timeout=30)
    assert response.status_code == 413
    assert response.json()["error_type"] == "ImageTooLargeError"
    assert f"at most {320 * 1024**2} are allowed" in response.json()["error"]
