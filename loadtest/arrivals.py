"""Requests that come at their own rate, or as soon as the one before is answered, over connections that are kept."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from statistics import quantiles
from time import monotonic
from urllib.parse import urlsplit

_REFUSED_WAITS_S = 0.05
_TICK_S = 0.01


@dataclass(frozen=True)
class Request:
    """One POST that is sent again and again.

    Attributes:
        path: with its query.
        body: as it is sent.
        headers: all but host and length.
    """

    path: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "image/jpeg"})

    def encoded(self) -> bytes:
        """Its bytes on the wire."""
        headers = {"Host": "loadtest", **self.headers, "Content-Length": str(len(self.body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"POST {self.path} HTTP/1.1\r\n{head}\r\n".encode() + self.body


class Arrivals:
    """What became of the requests.

    Attributes:
        statuses: how many of each status; of connections that failed, the error's name.
        accepted_s: seconds until the answer, of those with 200.
        refused_s: the same of those with 429.
        retry_after: how many were told to come again after so many seconds.
        goodput: answers with 200 a second.
        late_s: by how much this process was late itself, each time that it looked: such latencies are not the server's.
    """

    def __init__(self, url: str, request: Request) -> None:
        address = urlsplit(url)
        self.statuses: Counter[str] = Counter()
        self.accepted_s: list[float] = []
        self.refused_s: list[float] = []
        self.retry_after: Counter[str] = Counter()
        self.goodput = 0.0
        self.late_s: list[float] = []
        self._address = (address.hostname, address.port)
        self._request = request.encoded()
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def arrive(self, rate: float, duration_s: float, random: Random | None = None) -> None:
        """Begins ``rate`` requests a second, evenly, or by chance as Poisson has it; returns when all are answered."""
        started, due = monotonic(), 0.0
        async with asyncio.TaskGroup() as group:
            while due < duration_s:
                await asyncio.sleep(max(0.0, started + due - monotonic()))
                group.create_task(self._ask())
                due += random.expovariate(rate) if random else 1 / rate
            in_time = len(self.accepted_s)
        self._end(in_time / duration_s)

    async def ask_again(self, clients: int, duration_s: float) -> None:
        """Lets so many clients ask for so long; whoever is refused comes again soon."""
        started = monotonic()

        async def client() -> None:
            while monotonic() < started + duration_s:
                accepted = len(self.accepted_s)
                await self._ask()
                if len(self.accepted_s) == accepted:
                    await asyncio.sleep(_REFUSED_WAITS_S)

        watching = asyncio.create_task(self._watch_oneself())
        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(client())
        watching.cancel()
        self._end(len(self.accepted_s) / (monotonic() - started))

    async def _watch_oneself(self) -> None:
        while True:
            before = monotonic()
            await asyncio.sleep(_TICK_S)
            self.late_s.append(monotonic() - before - _TICK_S)

    def _end(self, goodput: float) -> None:
        self.goodput = goodput
        for _, writer in self._idle:
            writer.close()

    async def _ask(self) -> None:
        started = monotonic()
        try:
            reader, writer = self._idle.pop() if self._idle else await asyncio.open_connection(*self._address)
            writer.write(self._request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(_value(head, b"content-length")))
        except (OSError, asyncio.IncompleteReadError) as error:
            self.statuses[type(error).__name__] += 1
            return
        if _value(head, b"connection") == b"close":
            writer.close()
        else:
            self._idle.append((reader, writer))
        status = head.split()[1].decode()
        self.statuses[status] += 1
        if status == "200":
            self.accepted_s.append(monotonic() - started)
        elif status == "429":
            self.refused_s.append(monotonic() - started)
            self.retry_after[_value(head, b"retry-after").decode()] += 1


def _value(head: bytes, name: bytes) -> bytes:
    return head.partition(b"\r\n" + name + b": ")[2].split(b"\r\n")[0]


def percentiles(seconds: list[float]) -> dict[str, float]:
    """The median and the 99th, in milliseconds."""
    few = len(seconds) < 2
    cuts = quantiles(seconds * 2 or [0.0, 0.0] if few else seconds, n=100, method="inclusive")
    return {f"p{percent}": round(1000 * cuts[percent - 1], 2) for percent in (50, 99)}
