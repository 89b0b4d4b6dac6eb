"""Processes that a measurement starts and stops, the cores they run on, and what they cost with all their children."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer

from loadtest.clients import connection

Cores = frozenset[int]

RAY = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_DASHBOARD_STARTUP_TIMEOUT_S": "240",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""What a Ray finds in its environment that is alone in a network: one address, 127.0.0.1, and nobody to keep out."""

_READY = "Loupe is ready at "
_AS_LONG_AS_IT_TAKES_S = 60  # throughput is measured with clients that rather wait than be refused
_START_S, _LOOK_EVERY_S = 90, 0.1
_CPU_CLOCK = 2  # CPUCLOCK_SCHED, see clock_getcpuclockid(3); /proc tells the same in steps of 10 ms


@contextmanager
def own_cores() -> Iterator[Cores]:
    """Leaves the first core to servers and takes the others, if there are any; yields those for servers."""
    before = os.sched_getaffinity(0)
    servers = Cores(sorted(before)[:1])
    os.sched_setaffinity(0, before - servers or before)
    try:
        yield servers
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def server(
    max_wait_s: float | None = _AS_LONG_AS_IT_TAKES_S,
    cores: Cores | None = None,
    settings: Mapping[str, str] | None = None,
    tree: Path | None = None,
) -> Iterator[tuple[str, int]]:
    """Starts a server on a free port, with the models of LOUPE_MODELS; yields its URL and process id.

    Args:
        max_wait_s: how long an image may be expected to wait; None: as by default.
        cores: on which it runs; None: on all.
        settings: added to the environment.
        tree: where its code lies; None: here.
    """
    command = [sys.executable, "-m", "serving.commands.cli", "serve", "--host", "127.0.0.1", "--port", "0"]
    waits = {} if max_wait_s is None else {"LOUPE_MAX_WAIT_S": str(max_wait_s)}
    quiet = {"LOUPE_LOG_LEVEL": "warning"} | waits | dict(settings or {}) | os.environ
    with subprocess.Popen(  # noqa: S603
        on_cores(command, cores), cwd=tree, stdout=subprocess.PIPE, text=True, env=quiet
    ) as process:
        try:
            yield _ready_url(process), process.pid
        finally:
            process.terminate()


@contextmanager
def listening(
    command: Sequence[str],
    cores: Cores,
    settings: Mapping[str, str],
    ready: str,
    log: Path,
    *,
    port: int = 0,
    start_s: float = _START_S,
) -> Iterator[tuple[str, int]]:
    """Starts a program that takes its port from ``PORT``; yields its URL and process id once ``ready`` is answered.

    Args:
        command: the program.
        cores: on which it runs.
        settings: added to the environment.
        ready: path that is answered with 200 when it is.
        log: what it prints goes there.
        port: where it listens, if it takes none; 0: a free one.
        start_s: how long it may take to be ready.

    Raises:
        RuntimeError: it ended, or was not ready in time.
    """
    port = port or _free_port()
    environment = dict(os.environ) | dict(settings) | {"PORT": str(port)}
    with (
        log.open("wb") as printed,
        subprocess.Popen(  # noqa: S603
            on_cores(command, cores), stdout=printed, stderr=printed, env=environment, start_new_session=True
        ) as process,
    ):
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(process, url, ready, log, start_s)
            yield url, process.pid
        finally:
            stop(process)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """Ends a process that leads a session, and whatever is left of its children."""
    tree = [process.pid, *below(process.pid)]
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
    for pid in tree[1:]:
        try:
            os.kill(pid, 9)
        except ProcessLookupError:
            continue


def on_cores(command: Sequence[str], cores: Cores | None) -> list[str]:
    """The same, kept on those cores; children inherit that."""
    return ["taskset", "--cpu-list", ",".join(map(str, sorted(cores))), *command] if cores else list(command)


def cpu_s(pid: int) -> float:
    """Seconds of CPU that a process and its living children have taken so far."""
    return sum(map(own_cpu_s, (pid, *below(pid))))


def loop_cpu_s(pid: int) -> float:
    """Seconds of CPU that a process's first thread has taken so far; in Loupe, that is the event loop."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e9


def resident_mb(pid: int, peak: bool = False) -> float:
    """Megabytes of memory that a process and its children hold, or held at most (each at its own time)."""
    wanted = "VmHWM:" if peak else "VmRSS:"
    return sum(_status_kib(one, wanted) for one in (pid, *below(pid))) * 1024 / 1e6


def _status_kib(pid: int, wanted: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:  # it ended meanwhile
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith(wanted))


def own_cpu_s(pid: int) -> float:
    """Seconds of CPU that a process alone has taken so far; 0: it has ended."""
    try:
        return time.clock_gettime((~pid << 3) | _CPU_CLOCK)
    except OSError:  # it ended meanwhile
        return 0


def below(pid: int) -> list[int]:
    """All that a process has begun, and these have, and which have not ended."""
    begun = children(pid)
    return begun + [one for child in begun for one in below(child)]


def children(pid: int) -> list[int]:
    """The processes that a process has begun and not yet seen end."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:  # a thread or the process ended meanwhile
        return []


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _wait(process: "subprocess.Popen[bytes]", url: str, ready: str, log: Path, start_s: float) -> None:
    until = time.monotonic() + start_s
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        if _answers(url, ready):
            return
        time.sleep(_LOOK_EVERY_S)
    raise RuntimeError(f"it did not become ready; its last words: {log.read_text(errors='replace')[-500:]}")


def _answers(url: str, path: str) -> bool:
    try:
        with connection(url) as asking:
            asking.request("GET", path)
            return asking.getresponse().status == 200
    except OSError:
        return False


def _ready_url(process: "subprocess.Popen[str]") -> str:
    for line in process.stdout or ():
        if line.startswith(_READY):
            return line.removeprefix(_READY).strip()
    typer.echo("the server that the load test started ended before it was ready", err=True)
    raise typer.Exit(1)
