"""Decoders print what they find wrong in a stranger's file on stderr; who sent it hears of it, and nobody else."""

import ctypes
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from PIL import _imaging

_STDERR = 2


def silence_decoders() -> None:
    """Pillow's own log, and what prints libtiff's errors; Pillow takes away only what prints its warnings."""
    logging.getLogger("PIL").setLevel(logging.CRITICAL)  # it logs errors, and raises them too
    with suppress(OSError, AttributeError):  # a Pillow without it
        ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler(None)


@contextmanager
def without_stderr() -> Iterator[None]:
    """Throws away what native code prints inside; for short calls that hold the interpreter, as it is the process's."""
    sys.stderr.flush()
    stderr, nowhere = os.dup(_STDERR), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDERR)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(stderr, _STDERR)
        os.close(stderr)
