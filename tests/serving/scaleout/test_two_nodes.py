"""Two nodes, each in a network of its own, with HAProxy on both: replicas and a node are killed, and nobody notices."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
import yaml

from loupe.client import Client

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "deploy/kuberay/serve_config.yaml"
PROGRAMS = Path(sys.executable).parent
HEAD, WORKER = "10.77.0.1", "10.77.0.2"
CLIENTS, REQUESTS = 4, 2000
MIB = 2**20


class Nodes:
    """Two networks joined by a wire; a Ray node in each."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder, self._environment = folder, environment
        self._other: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        self._other = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        _until(lambda: _network(self._other.pid) != _network(os.getpid()), 10)
        inside = ["nsenter", f"--net=/proc/{self._other.pid}/ns/net"]
        for command in (
            ["ip", "link", "add", "left", "type", "veth", "peer", "name", "right", "netns", str(self._other.pid)],
            ["ip", "addr", "add", f"{HEAD}/24", "dev", "left"],
            ["ip", "link", "set", "left", "up"],
            [*inside, "ip", "addr", "add", f"{WORKER}/24", "dev", "right"],
            [*inside, "ip", "link", "set", "right", "up"],
            [*inside, "ip", "link", "set", "lo", "up"],
        ):
            subprocess.run(command, check=True)
        head = ["--head", "--port", "6379", "--num-cpus", "2", "--temp-dir", str(self._folder / "ray")]
        self._ray([], "start", *head, "--node-ip-address", HEAD, "--object-store-memory", str(128 * MIB))
        self.begin_worker()

    def begin_worker(self) -> None:
        inside = ["nsenter", f"--net=/proc/{self._other.pid}/ns/net"]
        address = ["--address", f"{HEAD}:6379", "--node-ip-address", WORKER]
        self._ray(inside, "start", *address, "--num-cpus", "1", "--object-store-memory", str(128 * MIB))

    def serve(self, config: Path, *, wait_s: float = 300) -> None:
        command = [PROGRAMS / "serve", "deploy", config]
        until = time.monotonic() + wait_s
        while (done := subprocess.run(command, env=self._environment, capture_output=True)).returncode:
            assert time.monotonic() < until, done.stderr.decode()

    def processes(self, words: bytes, *, on_worker: bool | None = None) -> list[int]:
        """Processes whose command line has these words, of either node or of one."""
        head, worker = _network(os.getpid()), _network(self._other.pid)
        wanted = {head, worker} if on_worker is None else {worker if on_worker else head}
        return [pid for pid, line in _processes() if words in line and _network(pid) in wanted]

    def end(self) -> None:
        if self._other is None:
            return
        self._kill_ray()
        self._other.kill()
        self._other.wait()

    def _ray(self, inside: list[str], *arguments: str) -> None:
        """Ray gives a node 30 s to begin, whatever it is told; where cores are shared it may take another try."""
        command = [*inside, str(PROGRAMS / "ray"), *arguments]
        for _ in range(4):
            done = subprocess.run(command, env=self._environment, capture_output=True, timeout=300)
            if done.returncode == 0:
                return
            self._kill_ray(on_worker=bool(inside))
        raise AssertionError(done.stderr.decode())

    def _kill_ray(self, *, on_worker: bool | None = None) -> None:
        for pid in set(self.processes(b"ray", on_worker=on_worker)) - {os.getpid(), os.getppid()}:
            _kill(pid)


def _network(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/ns/net").readlink())
    except OSError:
        return ""


def _processes() -> Iterator[tuple[int, bytes]]:
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            yield int(folder.name), (folder / "cmdline").read_bytes()


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _until(true: Callable[[], bool], wait_s: float = 300) -> None:
    until = time.monotonic() + wait_s
    while not true():
        assert time.monotonic() < until
        time.sleep(0.5)


def _write(path: Path, cores: float) -> Path:
    """The configuration that is shipped, with two replicas; they are begun anew where ``cores`` is another number."""
    config = yaml.safe_load(CONFIG.read_text())
    [deployment] = config["applications"][0]["deployments"]
    deployment["ray_actor_options"] = {"num_cpus": cores}
    deployment["autoscaling_config"] |= {"min_replicas": 2, "max_replicas": 2}
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture(scope="module")
def nodes(models, tmp_path_factory, patient) -> Iterator[Nodes]:
    folder = tmp_path_factory.mktemp("nodes")
    haproxy = {"RAY_SERVE_ENABLE_HA_PROXY": "1", "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"}
    ours = {"LOUPE_MODELS": str(models), "LOUPE_MAX_WAIT_S": "60", "PYTHONPATH": str(ROOT)}
    others = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    nodes = Nodes(folder, others | patient | haproxy | ours)
    try:
        nodes.begin()
        nodes.serve(_write(folder / "config.yaml", 0.5))
        _until(lambda: all(_ready(address) for address in (HEAD, WORKER)))
        yield nodes
    finally:
        nodes.end()


def _ready(address: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"http://{address}:8000/health/ready", timeout=20).status_code == 200
    return False


@pytest.fixture
def asking(zoo):
    """Asks with our client, four at a time; what is done meanwhile is done after a fifth of the requests."""

    @contextmanager
    def asking(count: int = REQUESTS) -> Iterator[threading.Event]:
        photo, begun, left = zoo.png(), threading.Event(), iter(range(count))

        def ask() -> int:
            answered = 0
            with Client(f"http://{HEAD}:8000") as loupe:
                for number in left:
                    answered += loupe.predict(photo)["orientation"].label in zoo.sides
                    if number == count // 5:
                        begun.set()
            return answered

        with ThreadPoolExecutor(CLIENTS) as pool:
            asked = [pool.submit(ask) for _ in range(CLIENTS)]
            yield begun
            assert sum(future.result() for future in asked) == count

    return asking


def test_all_replicas_counters_together_are_the_requests(nodes, asking):
    """As docs/scale.md has Prometheus scrape them: each replica at a port of its node, from 30000 on."""

    def counted() -> float:
        places = [(address, port) for address in (HEAD, WORKER) for port in (30000, 30001)]
        return sum(_counted(f"http://{address}:{port}/metrics") for address, port in places)

    before = counted()
    with asking(200):
        pass
    assert counted() == before + 200


def _counted(url: str) -> float:
    with suppress(httpx.TransportError):
        lines = httpx.get(url, timeout=20).text.splitlines()
        named = "loupe_predictions_total{"
        return sum(
            float(line.split()[-1]) for line in lines if line.startswith(named) and 'model="orientation"' in line
        )
    return 0


def test_a_killed_replica_loses_no_request(nodes, asking):
    with asking() as begun:
        assert begun.wait(300)
        before = nodes.processes(b"ServeReplica:loupe")
        assert len(before) == 2
        _kill(before[0])
    _until(lambda: len(nodes.processes(b"ServeReplica:loupe")) == 2)


def test_a_rolling_update_fails_no_request(nodes, zoo, tmp_path):
    before = set(nodes.processes(b"ServeReplica:loupe"))
    nodes.serve(_write(tmp_path / "again.yaml", 0.4))
    photo, statuses = zoo.png(), []

    def renewed() -> bool:
        now = set(nodes.processes(b"ServeReplica:loupe"))
        return len(now) == 2 and not now & before

    with httpx.Client(base_url=f"http://{HEAD}:8000", timeout=60) as client:
        until = time.monotonic() + 300
        while not renewed() and time.monotonic() < until:
            statuses += [client.post("/v1/predict", content=photo).status_code for _ in range(20)]
    assert renewed()
    assert set(statuses) == {200}


def test_a_body_of_300_mb_reaches_neither_proxy_nor_replica(nodes):
    chunk, sent = bytes(MIB), 0

    def body() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(300):
            sent += len(chunk)
            yield chunk

    names = {"proxy": b"haproxy", "replica": b"ServeReplica:loupe"}
    watched = {pid: name for name, words in names.items() for pid in nodes.processes(words)}
    before = {pid: _resident(pid) for pid in watched}
    most, ended = dict(before), threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            for pid in watched:
                most[pid] = max(most[pid], _resident(pid))

    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch)
        try:
            answer = httpx.post(f"http://{HEAD}:8000/v1/predict", content=body(), timeout=60)
            assert answer.status_code == 413
        except (httpx.WriteError, httpx.ReadError):
            pass  # what is too much is answered, and then the connection ends, whoever reads that first
        finally:
            ended.set()
        watching.result()
    assert sent < 300 * MIB
    grown = {name: max(most[pid] - before[pid] for pid in watched if watched[pid] == name) for name in names}
    assert grown["proxy"] <= 8 * MIB
    assert grown["replica"] <= 64_000_000  # what one picture may have was read when it was refused


def _resident(pid: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def test_a_killed_node_loses_no_request(nodes, asking):
    """The last one: the node is gone."""
    with asking() as begun:
        assert begun.wait(300)
        [network] = nodes.processes(b"sleep\0infinity", on_worker=True)
        for pid in set(nodes.processes(b"", on_worker=True)) - {network}:
            _kill(pid)
    _until(lambda: len(nodes.processes(b"ServeReplica:loupe", on_worker=False)) == 2)
