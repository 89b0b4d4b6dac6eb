"""The segments of a JPEG file, up to its first scan. Format: ITU-T T.81, annex B."""

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

SOI = b"\xff\xd8"
_SOS = 0xDA
# Decoders skip what lies before a marker: 0xff to fill up, markers without a length, and bytes that are none at all.
_MARKER = re.compile(rb"\xff([^\x00\x01\xff\xd0-\xd8])", re.DOTALL)


class Segment(NamedTuple):
    """A marker and what belongs to it, from ``start`` to ``end`` in the file."""

    marker: int
    start: int
    end: int
    payload: bytes


def header(data: bytes) -> Iterator[Segment]:
    """Yields the segments up to and with the first scan's header; what lies between them is passed over.

    Raises:
        ValueError, struct.error: one is broken.
    """
    position = len(SOI)
    while True:
        found = _MARKER.search(data, position)
        if found is None:
            raise ValueError("a marker is missing")
        start, position, marker = found.start(), found.end() - 1, found[1][0]
        (size,) = struct.unpack_from(">H", data, position + 1)
        end = position + 1 + size
        if size < 2 or end > len(data):
            raise ValueError("a segment is cut off")
        yield Segment(marker, start, end, data[position + 3 : end])
        if marker == _SOS:
            return
        position = end
