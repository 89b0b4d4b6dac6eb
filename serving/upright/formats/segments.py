"""The segments of a JPEG file, up to its first scan. Format: ITU-T T.81, annex B."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

SOI = b"\xff\xd8"
_SOS = 0xDA


class Segment(NamedTuple):
    """A marker and what belongs to it, from ``start`` to ``end`` in the file."""

    marker: int
    start: int
    end: int
    payload: bytes


def header(data: bytes) -> Iterator[Segment]:
    """Yields the segments up to and with the first scan's header.

    Raises:
        ValueError, struct.error: one is broken.
    """
    position = len(SOI)
    while True:
        start = position
        while data[position : position + 1] == b"\xff":  # one, and any number to fill
            position += 1
        if position == start:
            raise ValueError("a marker is missing")
        marker = data[position]
        (size,) = struct.unpack_from(">H", data, position + 1)
        end = position + 1 + size
        if size < 2 or end > len(data):
            raise ValueError("a segment is cut off")
        yield Segment(marker, start, end, data[position + 3 : end])
        if marker == _SOS:
            return
        position = end
