"""What HEIC and AVIF files cost. Format: ISO/IEC 23008-12 (HEIF).

A picture may be made of others: a grid of tiles, an overlay. Each place in it may name the same tile, which is then
decoded anew for each: so a file of one tile may ask for 256 times its pixels.
"""

import struct
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress

from models.cost.av1 import frame_pixels
from models.cost.cost import Cost, Parts, whole_bytes
from models.cost.searching import holds, positions
from models.limits import ImageLimits, Size

_PIXEL_BYTES, _S_PER_PIXEL, _S_PER_BYTE, _S_PER_PART = 14, 60e-9, 60e-9, 1e-6
_EXTENT, _ITEM, _MADE_OF, _PROPERTIES, _HAS = b"ispe", b"infe", b"dimg", b"ipco", b"ipma"
_REFERENCES, _PLACES, _AV1, _FILM = b"iref", b"iloc", b"av01", b"moov"
_UNTOLD_S = 0.1  # of a frame whose size nobody knows: so that it gets a process, with limits of its own
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
    coded = {number for at in _found(data, _ITEM, parts) for number, kind in [_item(data, at)] if kind == _AV1}
    decoded, repeats = _work(data, pixels, parts)
    seconds = len(data) * _S_PER_BYTE * repeats + decoded * _S_PER_PIXEL + parts.count * _S_PER_PART
    memory = whole_bytes(width, height, at_least, parts, _PIXEL_BYTES)
    told = Cost(pixels, memory, seconds, seconds)
    return _with_frame(told, _frame_pixels(data, coded, parts), limits) if holds(data, _AV1) else told


def _work(data: bytes, pixels: int, parts: Parts) -> tuple[int, int]:
    """The pixels that are decoded, and how often the bytes of one item are."""
    made = [pair for at in _found(data, _REFERENCES, parts) for pair in _made_of(data, at, parts)]
    derived = {item for item, _ in made}
    tiles = [tile for _, tile in made if tile not in derived]  # as those are decoded by way of their own
    areas = _areas(data, parts) if tiles else {}
    return max(pixels, sum(areas.get(tile, pixels) for tile in tiles)), max(Counter(tiles).values(), default=1)


def _with_frame(told: Cost, frame: int | None, limits: ImageLimits) -> Cost:
    """What an AVIF costs that holds a frame of so many pixels, whatever was told of it; None: nobody knows."""
    if frame is None:
        seconds = max(told.seconds, _UNTOLD_S)
        return told._replace(seconds=seconds, held_s=seconds)
    limits.refuse_pixels(frame, f"a frame of {frame} pixels")
    hidden = max(0, frame - told.pixels)
    seconds = told.seconds + hidden * _S_PER_PIXEL
    return Cost(told.pixels, told.bytes + hidden * _PIXEL_BYTES, seconds, seconds)


def _found(data: bytes, wanted: bytes, parts: Parts) -> Iterator[int]:
    """Where boxes of a kind are, wherever they stand: between the size and the content of each."""
    for at in positions(data, wanted):
        parts.add()
        yield at


def _size(data: bytes, at: int) -> int:
    """Of a box, in bytes; 1 or 0 where another field tells it, or the end of the file."""
    return int.from_bytes(data[at - 4 : at], "big")


def _sides(data: bytes, at: int) -> tuple[int, int]:
    width, height = struct.unpack(">II", data[at + 8 : at + 16].ljust(8, b"\0"))
    return width, height


def _made_of(data: bytes, at: int, parts: Parts) -> Iterator[tuple[int, int]]:
    """Yields an item and one that it is made of, as often as that is named.

    Each reference follows the last number of the one before: libheif goes by that, not by a box's size.
    """
    size, kind = _size(data, at), "H" if data[at + 4 : at + 5] == b"\0" else "I"
    position, end = at + _HEAD, at - 4 + size if size > 1 else len(data)
    with suppress(struct.error):
        while position < end:
            box = position + 4
            position = box + (12 if _size(data, box) == 1 else 4)
            item, count = struct.unpack_from(f">{kind}H", data, position)
            parts.add(1 + count)  # as one that names none is looked at too
            form = f">{count}{kind}"
            position += struct.calcsize(f">{kind}H")
            if data[box : box + 4] == _MADE_OF:
                yield from ((item, tile) for tile in struct.unpack_from(form, data, position))
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
        item, has = struct.unpack_from(head, data, position)
        parts.add(1 + has)
        position += struct.calcsize(head)
        numbers = struct.unpack_from(f">{has}{kind}", data, position)
        position += struct.calcsize(f">{has}{kind}")
        yield item, [number & most for number in numbers]


def _frame_pixels(data: bytes, wanted: set[int], parts: Parts) -> int | None:
    """Of the largest frame of these items; None where that cannot be told."""
    try:
        places = [place for at in _found(data, _PLACES, parts) for place in _places(data, at, parts)]
    except (struct.error, IndexError):
        return None
    known = [place for place in places if place[0] in wanted]
    if holds(data, _FILM) or len(known) != len(wanted) or {number for number, _, _ in known} != wanted:
        return None
    whole = memoryview(data)  # as each of a thousand items may say that it is all of the file
    frames = [frame_pixels(whole[start : start + size], parts) for _, start, size in known]
    return None if None in frames else max((frame for frame in frames if frame is not None), default=None)


def _item(data: bytes, at: int) -> tuple[int, bytes]:
    """Its number, which has four bytes in newer boxes, and its kind."""
    wide = data[at + 4 : at + 5] == b"\3"
    behind = at + (12 if wide else 10)
    return int.from_bytes(data[at + 8 : behind], "big"), data[behind + 2 : behind + 6]


def _places(data: bytes, at: int, parts: Parts) -> Iterator[tuple[int, int, int]]:
    """Yields each item, where it begins in the file, and its bytes; those in several pieces have none."""
    version, sizes = data[at + 4], int.from_bytes(data[at + 8 : at + 10], "big")
    of_offset, of_length, of_base, of_index = (sizes >> shift & 0xF for shift in (12, 8, 4, 0))
    head = ">I" if version > 1 else ">H"
    (count,) = struct.unpack_from(head, data, at + 10)
    position = at + 10 + struct.calcsize(head)
    for _ in range(count):
        parts.add()
        (item,) = struct.unpack_from(head, data, position)
        position += struct.calcsize(head)
        method = data[position + 1] & 0xF if version else 0
        position += 4 if version else 2  # the method, and a file of which there is one
        base = int.from_bytes(data[position : position + of_base], "big")
        (extents,) = struct.unpack_from(">H", data, position + of_base)
        position += of_base + 2
        first = position + (of_index if version else 0)
        start = base + int.from_bytes(data[first : first + of_offset], "big")
        size = int.from_bytes(data[first + of_offset : first + of_offset + of_length], "big")
        position += extents * (first - position + of_offset + of_length)
        yield (item, start, size) if method == 0 and extents == 1 else (item, 0, 0)
