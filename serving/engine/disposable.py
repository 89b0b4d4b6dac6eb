"""Disposable: a process for what is too dear for a thread, as a thread cannot be ended and a process can."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

import models.errors
from models.errors import ImageError, ImageTooLargeError, LoupeError, NotReadyError, UndecodableImageError
from serving.engine.task import Made, Task

_MODULE = "serving.engine.child"
# One heap, which gives back what is freed; and no threads that nobody needs, as each takes address space.
_ENVIRONMENT = {"MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": "131072", "OPENBLAS_NUM_THREADS": "1"}
_ANSWER_BYTES = 64 * 1024 * 1024
UNWANTED = "nobody waits for it any more"
_ALLOWED = 2  # times what was estimated, which tests hold it to


class Disposable:
    """One process, begun when it is first needed, and anew after it was ended. One thread runs tasks in it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._link: Connection | None = None
        self._ended = False

    def run(self, task: Task, is_wanted: Callable[[], bool]) -> Made:
        """Has a task done.

        Args:
            task: what to do.
            is_wanted: looked at before it is begun; ``end`` is for later.

        Raises:
            ImageError: the task did; or it took too much time or memory, or its decoder crashed.
            NotReadyError: nobody wants it any more, or no process can be begun.
        """
        process, link = self._running(is_wanted)
        try:
            name = (task.call.__module__, task.call.__qualname__)
            link.send((*name, task.arguments, _ALLOWED * task.cost.bytes, task.cpu_s))
            link.send_bytes(task.data)
            return _received(link, _ANSWER_BYTES + _ALLOWED * task.cost.bytes)
        except (EOFError, OSError):
            raise self._why(process, task) from None

    def end(self) -> None:
        """Kills the process, whatever it does: ``run`` raises, and the next one begins another. Does not wait."""
        with self._lock:
            self._ended = True
            if self._process is not None:
                self._process.kill()

    def close(self) -> None:
        """Ends the process and waits until it is gone."""
        self.end()
        if self._process is not None:
            self._process.wait()
        self._process = self._link = None

    def _running(self, is_wanted: Callable[[], bool]) -> tuple[subprocess.Popen[bytes], Connection]:
        """The lock is never held while a process begins or ends: the event loop may wait for it."""
        with self._lock:
            self._refuse(is_wanted)
            old, ended, self._ended = self._process, self._ended, False
            if old is not None and self._link is not None and not ended and old.poll() is None:
                return old, self._link
            self._process = self._link = None
        if old is not None:
            old.kill()
            old.wait()
        process, link = _begin()
        with self._lock:
            self._process, self._link = process, link
            self._refuse(is_wanted)
            return process, link

    @staticmethod
    def _refuse(is_wanted: Callable[[], bool]) -> None:
        if not is_wanted():
            raise NotReadyError(UNWANTED)

    def _why(self, process: subprocess.Popen[bytes], task: Task) -> LoupeError:
        """What a process died of."""
        process.kill()  # if it only broke off
        code = process.wait()
        with self._lock:
            ended = self._ended
            self._process = self._link = None
        if ended:
            return NotReadyError(UNWANTED)
        if code == -signal.SIGXCPU:
            return ImageTooLargeError(f"the image takes longer than the {task.cpu_s:g} s of a core that are allowed")
        return UndecodableImageError("the image cannot be decoded: its decoder ended")


def _begin() -> tuple[subprocess.Popen[bytes], Connection]:
    """In a group of its own, so that Ctrl-C is the parent's affair; in its session, so that being nice counts."""
    ours, theirs = Pipe()
    try:
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-P", "-m", _MODULE, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            process_group=0,
            env={**os.environ, **_ENVIRONMENT},
        )
    except OSError as error:
        ours.close()
        raise NotReadyError(f"no process can be begun to decode the image: {error.strerror}") from None
    finally:
        theirs.close()
    return process, ours


def _received(link: Connection, most_bytes: int) -> Made:
    said: dict[str, Any] = json.loads(link.recv_bytes(_ANSWER_BYTES))
    if "error" in said:
        raise _error(str(said["error"]), str(said["message"]))
    return Made([link.recv_bytes(most_bytes) for _ in range(int(said["parts"]))], said["facts"])


def _error(name: str, message: str) -> Exception:
    kind = getattr(models.errors, name, None) if name else None
    if isinstance(kind, type) and issubclass(kind, ImageError):
        return kind(message)
    return RuntimeError(message)
