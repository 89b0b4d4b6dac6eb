"""Processes that a measurement starts and stops, and the CPU time that they take with all their children."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

_READY = "Loupe is ready at "
_AS_LONG_AS_IT_TAKES_S = 60  # throughput is measured with clients that rather wait than be refused
_UTIME, _STIME = 11, 12  # places behind the command's name in /proc/PID/stat, see proc(5)


@contextmanager
def server(max_wait_s: float = _AS_LONG_AS_IT_TAKES_S) -> Iterator[tuple[str, int]]:
    """Starts a server on a free port, with the models of LOUPE_MODELS; yields its URL and process id."""
    command = [sys.executable, "-m", "serving.commands.cli", "serve", "--host", "127.0.0.1", "--port", "0"]
    quiet = {"LOUPE_LOG_LEVEL": "warning", "LOUPE_MAX_WAIT_S": str(max_wait_s)} | os.environ
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=quiet) as process:  # noqa: S603
        try:
            yield _ready_url(process), process.pid
        finally:
            process.terminate()


def cpu_s(pid: int) -> float:
    """Seconds of CPU that a process and its children have taken so far, in steps of a clock tick (10 ms)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = (int(fields[_UTIME]) + int(fields[_STIME])) / os.sysconf("SC_CLK_TCK")
    return own + sum(cpu_s(child) for child in _children(pid))


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def _ready_url(process: "subprocess.Popen[str]") -> str:
    for line in process.stdout or ():
        if line.startswith(_READY):
            return line.removeprefix(_READY).strip()
    typer.echo("the server that the load test started ended before it was ready", err=True)
    raise typer.Exit(1)
