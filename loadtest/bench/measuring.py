"""One case in one round: CPU time, latencies, and what else the machine did meanwhile."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

from loadtest.arrivals import Arrivals, Request, percentiles
from loadtest.bench.cases import FLOOR, Case
from loadtest.processes import Cores, cpu_s, loop_cpu_s, on_cores

_MOST_OTHERS = 0.1  # of a core
_MOST_LATE_MS, _MOST_LATE_SHARE = 5, 0.05
_IDLE, _IOWAIT, _GUEST = 3, 4, 8  # places in /proc/stat's lines, see proc(5); guests' time is in user's already


@dataclass(frozen=True)
class Measurement:
    """Of one case in one round.

    Attributes:
        cpu_ms: CPU milliseconds of the server's tree for each answered photo.
        loop_ms: those of its first thread.
        per_s: photos answered a second.
        p50_ms: median latency.
        p99_ms: 99th percentile.
        refused: requests that were not answered with 200.
        others: cores that were busy with something else, stolen time included.
        late_ms: by how much the clients' own process was late, 99th percentile.
    """

    cpu_ms: float
    loop_ms: float
    per_s: float
    p50_ms: float
    p99_ms: float
    refused: int
    others: float
    late_ms: float

    @property
    def calm(self) -> bool:
        """Whether nobody else disturbed it much."""
        return self.others <= _MOST_OTHERS and self.late_ms <= max(_MOST_LATE_MS, _MOST_LATE_SHARE * self.p50_ms)


@dataclass(frozen=True)
class Running:
    """A server that is asked: its address and its process."""

    url: str
    pid: int
    requests: Mapping[Case, Request]


class Floor:
    """The process that does the work alone."""

    def __init__(self, process: "subprocess.Popen[str]", orders: Mapping[Case, Mapping[str, object]]) -> None:
        self.pid = process.pid
        self._process, self._orders = process, orders

    def run(self, case: Case, seconds: float) -> dict[str, float]:
        """Lets it work for so long; how many photos, and the median time of one."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None  # noqa: S101, PT018 - Popen's types
        stdin.write(json.dumps({**self._orders[case], "seconds": seconds}) + "\n")
        stdin.flush()
        told: dict[str, float] = json.loads(stdout.readline())
        return told


@contextmanager
def running_floor(orders: Mapping[Case, Mapping[str, object]], cores: Cores) -> Iterator[Floor]:
    """Starts it on the servers' cores."""
    command = on_cores([sys.executable, "-m", "loadtest.bench.floor"], cores)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            yield Floor(process, orders)
        finally:
            process.kill()


class Bench:
    """Floor and servers, all running; one of them works at a time."""

    def __init__(self, floor: Floor, servers: Mapping[str, Running], seconds: float) -> None:
        self._floor, self._servers, self._seconds = floor, servers, seconds

    def measure(self, case: Case, seconds: float | None = None) -> Measurement:
        """Measures one case for so many seconds, or as the bench was told.

        Raises:
            RuntimeError: nothing was answered.
        """
        duration = self._seconds if seconds is None else seconds
        pid = self._floor.pid if case.server == FLOOR else self._servers[case.server].pid
        watch = Watch(pid)
        if case.server == FLOOR:
            told = self._floor.run(case, duration)
            return watch.measured(int(told["images"]), {"p50": told["median_ms"], "p99": 0}, 0, [])
        asked = self._ask(case, duration)
        refused = asked.statuses.total() - len(asked.accepted_s)
        if not asked.accepted_s:
            raise RuntimeError(f"{case} was answered {dict(asked.statuses)}")
        return watch.measured(len(asked.accepted_s), percentiles(asked.accepted_s), refused, asked.late_s)

    def _ask(self, case: Case, duration: float) -> Arrivals:
        server = self._servers[case.server]
        arrivals = Arrivals(server.url, server.requests[case])
        asyncio.run(arrivals.ask_again(case.clients, duration))
        return arrivals


class Watch:
    """What one process and all others take, from its making on."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._before = self._now()

    def _now(self) -> tuple[float, float, float, float, float]:
        return time.monotonic(), cpu_s(self._pid), loop_cpu_s(self._pid), time.process_time(), busy_s()

    def _passed(self) -> list[float]:
        return [after - before for before, after in zip(self._before, self._now(), strict=True)]

    def others(self) -> float:
        """Cores that were busy with anything but the process's tree and ourselves, stolen time included."""
        passed, tree, _, own, busy = self._passed()
        return max(0.0, (busy - tree - own) / passed)

    def measured(self, images: int, latency: Mapping[str, float], refused: int, late_s: list[float]) -> Measurement:
        """The figures of a case that ends now."""
        passed, tree, loop, own, busy = self._passed()
        late_ms = 1000 * quantiles(late_s, n=100, method="inclusive")[98] if len(late_s) > 1 else 0.0
        others = max(0.0, (busy - tree - own) / passed)
        return Measurement(
            1000 * tree / images, 1000 * loop / images, images / passed, latency["p50"], latency["p99"],
            refused, others, late_ms,
        )  # fmt: skip


def busy_s() -> float:
    """Seconds that all cores together were busy, or taken by other virtual machines, since the machine started."""
    lines = Path("/proc/stat").read_text().splitlines()
    ticks = [list(map(int, line.split()[1:])) for line in lines if line.startswith("cpu") and line[3].isdigit()]
    busy = sum(sum(one[:_GUEST]) - one[_IDLE] - one[_IOWAIT] for one in ticks)
    return busy / os.sysconf("SC_CLK_TCK")
