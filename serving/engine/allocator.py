"""Allocator: what pictures leave behind goes back to the system, and what stays is where a core finds it soon."""

import ctypes
from collections.abc import Iterator
from mmap import PAGESIZE
from pathlib import Path

_HUGE = 2 * 1024 * 1024  # bytes of a huge page, where others have 4 KiB
_PAGES = _HUGE // PAGESIZE
_MADV_COLLAPSE = 25  # Linux 6.1
_HUGE_PAGES, _MAPS = Path("/sys/kernel/mm/transparent_hugepage/enabled"), Path("/proc/self/maps")


def give_back() -> None:
    """Returns what the C library keeps of freed memory; nothing happens where it cannot (musl).

    It takes a few milliseconds, in which Python goes on. Without, 34 to 88 MB stayed after pictures of 50 megapixels.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def gather() -> int:
    """Moves what is in memory by now, such as models and modules, into huge pages.

    Of the small ones a core knows the places of a few megabytes' worth; to find the others took 2 to 3 % of a photo's
    time. It takes up to half a second of a core, in which Python goes on.

    Returns:
        The bytes that are in huge pages now; 0 where Linux cannot, or its operator wants none.
    """
    if not _HUGE_PAGES.is_file() or "[never]" in _HUGE_PAGES.read_text():
        return 0
    libc = ctypes.CDLL(None)
    moved = [_moved(libc, start) for start in _places() if _is_used(libc, start)]
    return _HUGE * sum(moved)


def _places() -> Iterator[int]:
    """Where a huge page could stand in memory that belongs to no file."""
    for line in _MAPS.read_text().splitlines():
        extent, access, _, _, file, *name = line.split()
        if file == "0" and access == "rw-p" and not (name and name[0].startswith(("[stack", "[v"))):
            start, end = (int(address, 16) for address in extent.split("-"))
            yield from range(-(-start // _HUGE) * _HUGE, end - _HUGE + 1, _HUGE)


def _is_used(libc: ctypes.CDLL, start: int) -> bool:
    """Whether at least half of it is: the rest would be taken from the system."""
    there = (ctypes.c_ubyte * _PAGES)()
    return libc.mincore(ctypes.c_void_p(start), ctypes.c_size_t(_HUGE), there) == 0 and 2 * sum(there) >= _PAGES


def _moved(libc: ctypes.CDLL, start: int) -> bool:
    return bool(libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(_HUGE), _MADV_COLLAPSE) == 0)
