"""What a start costs, and what memory a server needs."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from statistics import median

from loadtest.arrivals import Arrivals, Request
from loadtest.bench.measuring import Watch
from loadtest.clients import connection
from loadtest.processes import Cores, cpu_s, on_cores, resident_mb, server

LOUPE = (sys.executable, "-m", "serving.commands.cli")
_LOAD_CLIENTS, _LOAD_S, _PROBE_S = 32, 4, 0.02


@dataclass(frozen=True)
class Start:
    """In medians.

    Attributes:
        answer_cpu_s: CPU seconds until the first answer, with all models of the folder.
        help_cpu_s: of ``loupe --help``.
        idle_mb: resident after the first answer.
        busy_mb: the most that was resident, with 32 clients and photos of 12 megapixels.
        live_p99_ms: of ``/health/live`` beside a client with base64 of 12 megapixels; it has the server's one core to
            share with decoding.
        live_max_ms: the longest of these.
        others: cores that were busy with something else during these.
    """

    answer_cpu_s: float
    help_cpu_s: float
    idle_mb: float
    busy_mb: float
    live_p99_ms: float
    live_max_ms: float
    others: float


def starting(times: int, cores: Cores, photo: Path, large: Request, dear: Request) -> Start:
    """Starts so many servers, one after the other, and asks the last one more.

    Args:
        times: how many.
        cores: on which they run.
        photo: what each is asked about first.
        large: what 32 clients send at once.
        dear: what one client sends while ``/health/live`` is asked.
    """
    helped = [command_cpu_s(on_cores([*LOUPE, "--help"], cores)) for _ in range(times)]
    answered, idle = list[float](), list[float]()
    busy, others, live = 0.0, 0.0, [0.0]
    for index in range(times):
        with server(cores=cores) as (url, pid):
            _first_answer(url, photo.read_bytes())
            answered.append(cpu_s(pid))
            idle.append(resident_mb(pid))
            if index == times - 1:
                watch = Watch(pid)
                live = asyncio.run(_beside(url, dear))
                others = watch.others()
                asyncio.run(Arrivals(url, large).ask_again(_LOAD_CLIENTS, _LOAD_S))
                busy = resident_mb(pid, peak=True)
    live.sort()
    p99 = live[int(0.99 * (len(live) - 1))]
    return Start(median(answered), median(helped), median(idle), busy, 1000 * p99, 1000 * live[-1], others)


def command_cpu_s(command: Sequence[str], cwd: Path | None = None) -> float:
    """CPU seconds, user's and system's, of a command and all that it waited for.

    Raises:
        RuntimeError: it failed.
    """
    with subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:  # noqa: S603
        assert process.stderr is not None  # noqa: S101 - Popen's types
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command} failed: {said.decode(errors='replace')[-500:]}")
    return usage.ru_utime + usage.ru_stime


def _first_answer(url: str, photo: bytes) -> None:
    with connection(url) as asking:
        asking.request("POST", "/v1/predict", photo, {"Content-Type": "image/jpeg"})
        answer = asking.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"/v1/predict answered {answer.status}: {answer.read()[:300]!r}")


async def _beside(url: str, dear: Request) -> list[float]:
    """Seconds that ``/health/live`` took, asked again and again beside one client."""
    asked, taken = Arrivals(url, dear), list[float]()
    task = asyncio.create_task(asked.ask_again(1, _LOAD_S))
    with connection(url) as asking:
        while not task.done():
            started = time.monotonic()
            await asyncio.to_thread(_live, asking)
            taken.append(time.monotonic() - started)
            await asyncio.sleep(_PROBE_S)
    await task
    return taken


def _live(asking: HTTPConnection) -> None:
    asking.request("GET", "/health/live")
    asking.getresponse().read()
