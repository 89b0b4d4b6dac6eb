"""Changes of a file: bytes that others replace, and where the rest is then."""

from collections.abc import Sequence
from typing import NamedTuple


class Change(NamedTuple):
    """``old[start:end]`` become these bytes."""

    start: int
    end: int
    new: bytes


def applied(data: bytes, changes: Sequence[Change]) -> bytes:
    """The file with all changes, which are in order of their place."""
    parts, position = list[bytes](), 0
    for one in changes:
        parts += [data[position : one.start], one.new]
        position = one.end
    return b"".join([*parts, data[position:]])


def moved(place: int, changes: Sequence[Change]) -> int:
    """Where a byte is then; it lies in nothing that is replaced."""
    return place + sum(len(one.new) - (one.end - one.start) for one in changes if one.end <= place)
