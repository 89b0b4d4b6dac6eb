"""Allocator: memory that pictures and bodies leave behind goes back to the system once nobody needs it."""

import ctypes


def give_back() -> None:
    """Returns what the C library keeps of freed memory; nothing happens where it cannot (musl).

    It takes a few milliseconds, in which Python goes on. Without, 34 to 88 MB stayed after pictures of 50 megapixels.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
