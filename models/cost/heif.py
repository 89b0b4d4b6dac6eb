"""What HEIC and AVIF files cost. Format: ISO/IEC 23008-12 (HEIF).

A picture may be made of others: a grid of tiles, an overlay. Each place in it may name the same tile, which is then
decoded anew for each: so a file of one tile may ask for 256 times its pixels.
"""

import struct
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress

from models.cost.cost import Cost, Parts, whole_bytes
from models.limits import ImageLimits, Size

_PIXEL_BYTES, _S_PER_PIXEL, _S_PER_BYTE, _S_PER_PART = 14, 60e-9, 60e-9, 1e-6
_EXTENT, _ITEM, _MADE_OF, _PROPERTIES, _HAS = b"ispe", b"infe", b"dimg", b"ipco", b"ipma"
_REFERENCES = b"iref"
_HEAD, _FULL = 8, 4  # bytes of a box's size and kind; of its version and flags


def cost(data: bytes, at_least: Size | None, limits: ImageLimits) -> Cost:
    """Estimates a HEIC or AVIF by the largest extent of any of its items, and by how often its tiles are decoded.

    Raises:
        ImageTooLargeError: too many pixels or items.
    """
    parts = Parts(limits)
    sides = [_sides(data, at) for at in _found(data, _EXTENT, parts)]
    width, height = max(sides, key=lambda one: one[0] * one[1], default=(0, 0))
    pixels = width * height
    limits.refuse_pixels(pixels, f"{width} x {height} pixels")
    parts.add(data.count(_ITEM))
    tiles = [tile for at in _found(data, _REFERENCES, parts) for tile in _tiles(data, at, parts)]
    areas = _areas(data, parts) if tiles else {}
    decoded = max(pixels, sum(areas.get(tile, pixels) for tile in tiles))
    repeats = max(Counter(tiles).values(), default=1)
    seconds = len(data) * _S_PER_BYTE * repeats + decoded * _S_PER_PIXEL + parts.count * _S_PER_PART
    return Cost(pixels, whole_bytes(width, height, at_least, parts, _PIXEL_BYTES), seconds, seconds)


def _found(data: bytes, wanted: bytes, parts: Parts) -> Iterator[int]:
    """Where boxes of a kind are, wherever they stand: between the size and the content of each."""
    at = data.find(wanted)
    while at >= 0:
        parts.add()
        yield at
        at = data.find(wanted, at + len(wanted))


def _size(data: bytes, at: int) -> int:
    """Of a box, in bytes; 1 or 0 where another field tells it, or the end of the file."""
    return int.from_bytes(data[at - 4 : at], "big")


def _sides(data: bytes, at: int) -> tuple[int, int]:
    width, height = struct.unpack(">II", data[at + 8 : at + 16].ljust(8, b"\0"))
    return width, height


def _tiles(data: bytes, at: int, parts: Parts) -> Iterator[int]:
    """Yields the items that others are made of, as often as they are named.

    Each reference follows the last number of the one before: libheif goes by that, not by a box's size.
    """
    size, kind = _size(data, at), "H" if data[at + 4 : at + 5] == b"\0" else "I"
    position, end = at + _HEAD, at - 4 + size if size > 1 else len(data)
    with suppress(struct.error):
        while position < end:
            box = position + 4
            position = box + (12 if _size(data, box) == 1 else 4)
            _, count = struct.unpack_from(f">{kind}H", data, position)
            parts.add(count)
            form = f">{count}{kind}"
            position += struct.calcsize(f">{kind}H")
            if data[box : box + 4] == _MADE_OF:
                yield from struct.unpack_from(form, data, position)
            position += struct.calcsize(form)


def _areas(data: bytes, parts: Parts) -> dict[int, int]:
    """Each item's pixels, as far as that can be told: where the file is unusual, none."""
    areas = defaultdict[int, int](int)
    try:
        properties = _properties(data, parts)
        for at in _found(data, _HAS, parts):
            for item, numbers in _associations(data, at, parts):
                areas[item] = max(areas[item], *(properties.get(number, 0) for number in numbers), 0)
    except (struct.error, ValueError):
        return {}
    return {item: area for item, area in areas.items() if area}


def _properties(data: bytes, parts: Parts) -> dict[int, int]:
    """The pixels that each property tells, by its number, of those that tell some."""
    [at] = _found(data, _PROPERTIES, parts)
    position, end = at + 4, at - 4 + _size(data, at)
    pixels, number = dict[int, int](), 0
    while position + _HEAD <= end:
        size, kind = struct.unpack_from(">I4s", data, position)
        number += 1
        parts.add()
        if kind == _EXTENT:
            width, height = _sides(data, position + 4)
            pixels[number] = width * height
        position += max(size, _HEAD)
    return pixels


def _associations(data: bytes, at: int, parts: Parts) -> Iterator[tuple[int, list[int]]]:
    """Yields each item and the numbers of its properties."""
    flags, count = struct.unpack_from(">II", data, at + 4)
    head, kind = (">HB", ">IB")[flags >> 24 > 0], ("B", "H")[flags & 1]
    most = 0x7FFF if flags & 1 else 0x7F
    position = at + _HEAD + _FULL
    for _ in range(count):
        parts.add()
        item, has = struct.unpack_from(head, data, position)
        position += struct.calcsize(head)
        numbers = struct.unpack_from(f">{has}{kind}", data, position)
        position += struct.calcsize(f">{has}{kind}")
        yield item, [number & most for number in numbers]
