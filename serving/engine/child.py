"""``python -m serving.engine.child FD``: a disposable process that runs tasks, one by one, within limits of its own.

It gets them pickled from its parent, whom it trusts. Its parent does not trust it, as it opens what strangers send:
it answers with JSON and plain bytes.
"""

import importlib
import json
import os
import resource
import sys
from collections.abc import Callable
from contextlib import suppress
from math import ceil
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from PIL import AvifImagePlugin

from models.errors import LoupeError
from serving.engine.task import Made

NICE = 5
"""So that ordinary photos, which the server's threads decode, get three quarters of a core that is short."""

SLACK_BYTES = 128 * 1024 * 1024
"""Address space beyond what a task is estimated to take: stacks of decoders' threads, libraries that come late."""


def serve(link: Connection) -> None:
    """Runs tasks until the parent is gone."""
    os.nice(NICE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    with suppress(EOFError, ConnectionError):
        while True:
            module, name, arguments, most_bytes, cpu_s = link.recv()
            call, data = getattr(importlib.import_module(module), name), link.recv_bytes()
            _limit(most_bytes + 2 * len(data), cpu_s)
            _answer(link, call, data, arguments)
            _lift()


def _answer(link: Connection, call: Callable[..., Made], data: bytes, arguments: tuple[Any, ...]) -> None:
    try:
        made = call(data, *arguments)
    except LoupeError as error:
        _tell(link, error=type(error).__name__, message=str(error))
        return
    except Exception as error:  # ours to mend: the parent raises it, and logs it
        _tell(link, error="", message=f"{type(error).__name__}: {error}")
        return
    _tell(link, facts=list(made.facts), parts=len(made.parts))
    for part in made.parts:
        link.send_bytes(memoryview(part).cast("B"))


def _tell(link: Connection, **said: object) -> None:
    link.send_bytes(json.dumps(said).encode())


def _limit(most_bytes: int, cpu_s: float) -> None:
    """The kernel ends a task that goes beyond its time, and gives no more memory than that."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _set(resource.RLIMIT_CPU, ceil(used.ru_utime + used.ru_stime + cpu_s))
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    _set(resource.RLIMIT_AS, pages * resource.getpagesize() + most_bytes + SLACK_BYTES)


def _lift() -> None:
    _set(resource.RLIMIT_AS, resource.getrlimit(resource.RLIMIT_AS)[1])


def _set(limit: int, value: int) -> None:
    hard = resource.getrlimit(limit)[1]
    soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (soft, hard))


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
