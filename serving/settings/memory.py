"""Memory: how much of the machine's this process may take, by its control groups' limits; and for decoded pictures."""

import os
from collections.abc import Iterator
from pathlib import Path

from serving.settings.control_groups import MOUNT, OWN, groups, read
from serving.settings.settings import Settings

_LEAST = 128 * 1024 * 1024
_FILES = ("memory.max", "memory.limit_in_bytes")  # of version 2, where none is `max`, and of version 1
_SHARE = 2  # of it, a half is for decoded pictures; models, bodies and the interpreter take the other


def usable_memory(mount: Path = MOUNT, own: Path = OWN) -> int:
    """Bytes of the machine's memory, or of the container's if that is less.

    Args:
        mount: where the control groups are, of either version.
        own: the file that names those of the process.
    """
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([machine, *_limits(mount, own)])


def decoded_bytes(settings: Settings) -> int:
    """How many bytes decoding may take, all pictures together."""
    return settings.max_decoded_bytes or max(usable_memory() // _SHARE, _LEAST)


def _limits(mount: Path, own: Path) -> Iterator[int]:
    for group in groups("memory", mount, own):
        for name in _FILES:
            limit = (read(group / name) or "").strip()
            if limit.isdecimal():
                yield int(limit)
