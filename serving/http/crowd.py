"""Crowd: how many connections there may be, and which of them goes when one more comes."""

from asyncio import Transport
from collections.abc import Iterable
from pathlib import Path
from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit, setrlimit
from typing import Protocol

_SPARE_FILES = 32  # listeners, models that are loaded anew, processes that decode
_ENOUGH = 1 << 20


class _Connection(Protocol):
    idle_since: float | None
    transport: Transport


def most_connections() -> int:
    """As many as there may be open files, less what the process needs itself; three in four, as gRPC has some too.

    The limit that shells set (1,024) is one that a process may raise to another; systemd and containers allow far more.
    """
    _, most = getrlimit(RLIMIT_NOFILE)
    most = _ENOUGH if most == RLIM_INFINITY else most
    setrlimit(RLIMIT_NOFILE, (most, most))
    used = sum(1 for _ in Path("/proc/self/fd").iterdir())
    return max(1, (most - used - _SPARE_FILES) * 3 // 4)


def make_room(connections: Iterable[_Connection], most: int) -> None:
    """Ends the connection that has been idle for longest, perhaps the one that has just come, if they are too many."""
    there = list(connections)
    if len(there) <= most:
        return
    idle = [(one.idle_since, number) for number, one in enumerate(there) if one.idle_since is not None]
    if idle:
        there[min(idle)[1]].transport.abort()
