"""ONNX Runtime, imported so that it prints nothing between the lines of the log.

It looks for devices while it is imported, before anybody could tell it what to print: in a container that shows it none
it wrote a coloured warning to stderr.
"""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_STDERR = 2
_ERRORS = 3  # its levels: 2 is warnings; errors are raised as exceptions too


@contextmanager
def captured(lines: list[str]) -> Iterator[None]:
    """Adds to ``lines`` what is written to stderr inside, by native code too, without colours."""
    sys.stderr.flush()
    stderr, kept = os.dup(_STDERR), os.memfd_create("stderr")
    os.dup2(kept, _STDERR)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(stderr, _STDERR)
        os.close(stderr)
        with os.fdopen(kept, "rb") as file:
            file.seek(0)
            text = _COLOUR.sub("", file.read().decode("utf-8", "replace"))
        lines += [line.strip() for line in text.splitlines() if line.strip()]


printed: list[str] = []
"""What it had to say; whoever starts a service logs it."""

with captured(printed):
    import onnxruntime

onnxruntime.set_default_logger_severity(_ERRORS)
# One store of memory for what the sessions of all models work in: each its own would keep what its largest batch took.
onnxruntime.create_and_register_allocator(
    onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    ),
    None,
)

__all__ = ["captured", "onnxruntime", "printed"]
