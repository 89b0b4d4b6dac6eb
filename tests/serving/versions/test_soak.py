"""Models come and go under load without a lost request: 16 clients, 50 reloads, two versions that take turns."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from models.metadata import Label
from models.repository import ModelRepository

ROOT = Path(__file__).parents[3]
READY = "Loupe is ready at "
PATH = "/v1/models/orientation:predict"
CLIENTS, RELOADS, SETTLED = 16, 50, 10
SPREAD = 0.1
STEADY = 20
IMAGES = 3


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def versions_of(answer: dict) -> set[str]:
    """All versions that an answer shows traces of: one says ``certain`` of every image, the other of none."""
    return {answer["version"], *("1" if one["certain"] else "2" for one in answer["predictions"])}


def ask(url: str, photo: bytes, steady: threading.Barrier, stop: threading.Event) -> Counter[tuple[str, ...]]:
    """One client: asks with several images at once until it is told to stop; counts what it saw."""
    seen: Counter[tuple[str, ...]] = Counter()
    files = [("image", (str(number), photo)) for number in range(IMAGES)]
    with httpx.Client(base_url=url, timeout=60) as client:
        while not stop.is_set():
            try:
                response = client.post(PATH, files=files)
                answer = response.json()
                seen[str(response.status_code), str(len(answer["predictions"])), *sorted(versions_of(answer))] += 1
            except Exception as error:
                seen[type(error).__name__, str(error)] += 1
            if seen.total() == STEADY:
                steady.wait(60)
    return seen


@pytest.fixture
def root(zoo, tmp_path) -> Path:
    return zoo.publish(tmp_path / "models", zoo.orientation())


@pytest.fixture
def server(root):
    command = [sys.executable, "-m", "serving.commands.cli", "serve", "--port", "0", "--models", str(root)]
    quiet = {"PYTHONUNBUFFERED": "1", "LOUPE_LOG_LEVEL": "error", "LOUPE_MAX_WAIT_S": "60"}
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | quiet, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.terminate()
        assert process.wait(60) == 0


def test_fifty_reloads_under_load(zoo, root, server, capsys):
    second = zoo.orientation(version=2, labels=[Label(name=side, certain_from=None) for side in zoo.sides])
    url = next(line for line in server.stdout if line.startswith(READY)).removeprefix(READY).strip()
    steady, stop, photo = threading.Barrier(CLIENTS + 1), threading.Event(), zoo.png(size=(320, 240))
    with ThreadPoolExecutor(CLIENTS) as pool:
        asking = [pool.submit(ask, url, photo, steady, stop) for _ in range(CLIENTS)]
        steady.wait(60)
        try:
            resident = [reload(root, server, url, second, photo) for _ in range(RELOADS)]
        finally:
            stop.set()
    seen = sum((client.result() for client in asking), Counter())
    growth = resident[-1] / resident[SETTLED - 1] - 1
    with capsys.disabled():
        megabytes = [one >> 20 for one in resident[:: SETTLED - 1]]
        sys.stderr.write(f"\nsoak: {seen.total()} requests: {dict(seen)}; {megabytes} MiB, {growth:+.1%} at the end\n")
    assert set(seen) == {("200", str(IMAGES), "1"), ("200", str(IMAGES), "2")}
    assert min(seen.values()) > RELOADS
    assert abs(growth) < SPREAD


def reload(root: Path, server: subprocess.Popen[str], url: str, second: bytes, photo: bytes) -> int:
    """Changes from one version to the other; returns the server's resident bytes then."""
    repository = ModelRepository(root)
    if repository.latest("orientation") == 2:
        repository.remove("orientation", 2)
    else:
        repository.publish(second, "# card")
    server.send_signal(signal.SIGHUP)
    wait_for_version(url, photo, str(repository.latest("orientation")))
    return resident_bytes(server.pid)


def wait_for_version(url: str, photo: bytes, version: str) -> None:
    for _ in range(3000):
        if httpx.post(url + PATH, content=photo, timeout=60).json()["version"] == version:
            return
        time.sleep(0.01)
    pytest.fail("the version did not come about within 30 s")
