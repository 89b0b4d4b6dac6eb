"""The boxes of a HEIC or AVIF file that say what its pictures are. Format: ISO/IEC 14496-12 and 23008-12.

A file holds items: the picture, its tiles, a thumbnail, a depth or gain map, EXIF. ``ipco`` lists properties, such as a
size or a turn, and ``ipma`` which of them each item has, in the order in which they apply; several may share one.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

FULL = 4
"""Bytes of version and flags before the content of most of these boxes."""

_MOST_BOXES = 10_000


class Box(NamedTuple):
    """From ``start`` to ``end`` is its content."""

    kind: bytes
    start: int
    end: int


class Extent(NamedTuple):
    """Where an item's bytes lie in the file."""

    start: int
    size: int


class Layout(NamedTuple):
    """The boxes in which items are told of, and the kinds of those beside ``meta``."""

    meta: Box
    iprp: Box
    ipco: Box
    ipma: list[Box]
    iloc: Box
    outside: set[bytes]


class Entry(NamedTuple):
    """What ``ipma`` says of an item.

    Attributes:
        at: where the number of its properties stands, in one byte.
        end: where the entry ends.
        wide: whether each has two bytes.
    """

    item: int
    at: int
    end: int
    properties: int
    wide: bool


class Items(NamedTuple):
    """What a file says of its items.

    Attributes:
        primary: the number of the one that viewers show.
        properties: all there are, from 1 on; an item's are numbers of these.
        has: each item's properties, in order.
        belongs_to: the items that each refers to: a thumbnail, a map or a derived picture to its own.
        kinds: the type of each item.
        places: where the items lie that lie in one piece.
    """

    primary: int
    properties: list[Box]
    has: dict[int, list[int]]
    belongs_to: dict[int, set[int]]
    kinds: dict[int, bytes]
    places: dict[int, Extent]


def layout(data: bytes) -> Layout:
    """Finds the boxes.

    Raises:
        ValueError, struct.error: they are broken.
    """
    outside = list(_boxes(data, 0, len(data)))
    meta = _one(outside, b"meta")
    inside = list(_boxes(data, meta.start + FULL, meta.end))
    iprp = _one(inside, b"iprp")
    parts = list(_boxes(data, iprp.start, iprp.end))
    ipma = [one for one in parts if one.kind == b"ipma"]
    kinds = {one.kind for one in outside}
    return Layout(meta, iprp, _one(parts, b"ipco"), ipma, _one(inside, b"iloc"), kinds)


def items(data: bytes) -> Items:
    """Reads them.

    Raises:
        ValueError, struct.error: they are broken.
    """
    found = layout(data)
    inside = list(_boxes(data, found.meta.start + FULL, found.meta.end))
    pitm = _one(inside, b"pitm")
    idat = next((one for one in inside if one.kind == b"idat"), None)
    has = [pair for one in found.ipma for pair in _associations(data, one)]
    return Items(
        number(data, pitm.start + FULL, wide=data[pitm.start] > 0)[0],
        list(_boxes(data, found.ipco.start, found.ipco.end)),
        dict(has),
        _references(data, next((one for one in inside if one.kind == b"iref"), None)),
        _kinds(data, next((one for one in inside if one.kind == b"iinf"), None)),
        dict(_places(data, found.iloc, idat)),
    )


def entries(data: bytes, box: Box) -> Iterator[Entry]:
    """Yields those of an ``ipma`` box."""
    version, wide = data[box.start], bool(data[box.start + 3] & 1)
    (count,) = struct.unpack_from(">I", data, box.start + FULL)
    at = box.start + FULL + 4
    for _ in range(min(count, box.end - at)):
        item, at = number(data, at, wide=version > 0)
        each = data[at]
        end = at + 1 + each * (2 if wide else 1)
        yield Entry(item, at, end, each, wide)
        at = end


def _boxes(data: bytes, start: int, end: int) -> Iterator[Box]:
    for _ in range(_MOST_BOXES):
        if start + 8 > end:
            return
        size, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start + 8)
            head = 16
        size = end - start if size == 0 else size
        if size < head or start + size > end:
            raise ValueError("a box is cut off")
        yield Box(kind, start + head, start + size)
        start += size


def _one(boxes: Iterator[Box] | list[Box], kind: bytes) -> Box:
    found = next((one for one in boxes if one.kind == kind), None)
    if found is None:
        raise ValueError(f"it has no box {kind.decode()!r}")
    return found


def number(data: bytes, at: int, *, wide: bool) -> tuple[int, int]:
    """An item's number, and where what follows it stands."""
    kind = ">I" if wide else ">H"
    return struct.unpack_from(kind, data, at)[0], at + struct.calcsize(kind)


def _associations(data: bytes, box: Box) -> Iterator[tuple[int, list[int]]]:
    for one in entries(data, box):
        told = struct.unpack_from(f">{one.properties}{'H' if one.wide else 'B'}", data, one.at + 1)
        yield one.item, [each & (0x7FFF if one.wide else 0x7F) for each in told]


def _references(data: bytes, box: Box | None) -> dict[int, set[int]]:
    found = dict[int, set[int]]()
    if box is None:
        return found
    wide = data[box.start] > 0
    for one in _boxes(data, box.start + FULL, box.end):
        item, at = number(data, one.start, wide=wide)
        (count,) = struct.unpack_from(">H", data, at)
        told = struct.unpack_from(f">{count}{'I' if wide else 'H'}", data, at + 2)
        found.setdefault(item, set()).update(told)
    return found


def _kinds(data: bytes, box: Box | None) -> dict[int, bytes]:
    if box is None:
        return {}
    first = box.start + FULL + (2 if data[box.start] == 0 else 4)
    entries = [one for one in _boxes(data, first, box.end) if one.kind == b"infe" and data[one.start] >= 2]
    numbered = (number(data, one.start + FULL, wide=data[one.start] > 2) for one in entries)
    return {item: data[at + 2 : at + 6] for item, at in numbered}


def _places(data: bytes, box: Box, idat: Box | None) -> Iterator[tuple[int, Extent]]:
    version, sizes = data[box.start], data[box.start + FULL] << 8 | data[box.start + FULL + 1]
    of_offset, of_length, of_base, of_index = (sizes >> shift & 0xF for shift in (12, 8, 4, 0))
    count, at = number(data, box.start + FULL + 2, wide=version > 1)
    for _ in range(min(count, box.end - at)):
        item, at = number(data, at, wide=version > 1)
        method = 0
        if version > 0:
            method, at = data[at + 1] & 0xF, at + 2
        base = int.from_bytes(data[at + 2 : at + 2 + of_base], "big")
        at += 2 + of_base
        (extents,) = struct.unpack_from(">H", data, at)
        index = of_index if version > 0 else 0
        start = base + int.from_bytes(data[at + 2 + index : at + 2 + index + of_offset], "big")
        length_at = at + 2 + index + of_offset
        size = int.from_bytes(data[length_at : length_at + of_length], "big")
        at += 2 + extents * (index + of_offset + of_length)
        start += idat.start if method == 1 and idat is not None else 0
        if extents == 1 and method in (0, 1) and start + size <= len(data):
            yield item, Extent(start, size)
