"""The one size in a TIFF that Pillow does not guard: libtiff allocates whole tiles, however small the picture is."""

import struct
from collections.abc import Iterator

_TILE_WIDTH, _TILE_LENGTH = 322, 323
_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "B", 8: "H", 9: "I", 16: "Q", 17: "Q"}
_MOST_ENTRIES = 0xFFFF  # libtiff refuses longer directories


def tile_pixels(data: bytes) -> int:
    """Returns the pixels of the largest tile that a file's first directory asks for, 0 where it is no tiled TIFF.

    A picture of 16 x 16 pixels in one tile of 40,000 x 40,000 took 1.5 GB. A tag that is there twice counts with its
    largest value, as Pillow reads the last and libtiff the first. Formats: TIFF 6.0 (section 2) and BigTIFF.
    """
    sides = {_TILE_WIDTH: 0, _TILE_LENGTH: 0}
    try:
        for tag, value in _integers(data):
            if tag in sides:
                sides[tag] = max(sides[tag], value)
    except (struct.error, OverflowError):  # cut off, or an offset beyond the file: decoding it tells so
        pass
    return sides[_TILE_WIDTH] * sides[_TILE_LENGTH]


def _integers(data: bytes) -> Iterator[tuple[int, int]]:
    """Yields (tag, first value) of the first directory's entries that hold integers in place."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None:
        return
    big = data[2:4] in (b"\x2b\0", b"\0\x2b")
    number, short, entry = ("Q", "Q", 20) if big else ("I", "H", 12)
    (directory,) = struct.unpack_from(order + number, data, 8 if big else 4)
    (count,) = struct.unpack_from(order + short, data, directory)
    first = directory + struct.calcsize(order + short)
    for start in range(first, first + min(count, _MOST_ENTRIES) * entry, entry):
        tag, kind = struct.unpack_from(order + "HH", data, start)
        if kind in _INTEGERS:
            yield tag, struct.unpack_from(order + _INTEGERS[kind], data, start + entry - struct.calcsize(number))[0]
