"""The index of the pictures in a JPEG file (MPF): what each is, and where; kept right when bytes move.

Format: CIPA DC-007, Multi-Picture Format. Offsets in it count from its own header, so that bytes which grow before it
do no harm, and bytes which grow behind it move all pictures but the first.
"""

import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple

from models.cut_off import picture_end
from serving.upright.formats.blank import Frame
from serving.upright.formats.segments import SOI, header

PREFIX = b"MPF\0"
"""With which the segment's payload begins."""

_APP2, _ENTRIES, _ENTRY_BYTES = 0xE2, 0xB002, 16
_DIRECTORY_ENTRY_BYTES, _MOST_TAGS = 12, 0xFFFF
_TYPE, _PREVIEWS, _OF_SEVERAL = 0xFFFFFF, 0x01, 0x02  # a code, whose upper byte tells previews from stereo pairs
_MOST_PICTURES, _LONGEST_HEADER = 16, 1024 * 1024  # each is looked into
_GAIN_MAPS = (b"hdrgm:", b"HDRGainMap", b"urn:iso:std:iso:ts:21496", b"Container:Directory")


class Picture(NamedTuple):
    """One entry: a kind, and from where to where in the file; ``at`` is where the entry stands there."""

    kind: int
    start: int
    size: int
    at: int

    def of(self, data: bytes) -> bytes:
        """The picture, a JPEG file."""
        return data[self.start : self.start + self.size]


class Index(NamedTuple):
    """The pictures of a file, and what is needed to write where they are: the header's place and byte order."""

    base: int
    order: str
    pictures: tuple[Picture, ...]


def index(data: bytes) -> Index | None:
    """Reads a JPEG file's; None where there is none, or nothing in it that can be read.

    Raises:
        ValueError, struct.error: the file's header is broken.
    """
    found = (one for one in header(data) if one.marker == _APP2 and one.payload.startswith(PREFIX))
    segment = next(found, None)
    if segment is None:
        return None
    base = segment.end - len(segment.payload) + len(PREFIX)
    try:
        return _read(data[: segment.end], base)
    except (ValueError, struct.error, KeyError):
        return None


def full_pictures(data: bytes) -> int:
    """The number of pictures that a JPEG file holds; previews and gain maps, smaller than the first, do not count.

    Raises:
        ValueError, struct.error: the file's header is broken.
    """
    found = index(data)
    if found is None:
        return 1
    if len(found.pictures) > _MOST_PICTURES:
        return len(found.pictures)
    gain_map = _tells_gain_map(data)
    return 1 + sum(_is_full(data, one, gain_map=gain_map) for one in found.pictures[1:])


def further_pictures(data: bytes) -> list[Picture] | None:
    """The pictures behind the first, if they are smaller ones that nothing but this index tells of.

    Returns:
        None where that cannot be said: a gain map, whose length XMP tells too; or pictures that are not there.

    Raises:
        ValueError, struct.error: the file's header is broken.
    """
    if not any(one.marker == _APP2 and one.payload.startswith(PREFIX) for one in header(data)):
        return []
    found = index(data)
    if found is None or _tells_gain_map(data):
        return None
    further = sorted(found.pictures[1:], key=lambda one: one.start)
    ends = [picture_end(data)[0], *(one.start + one.size for one in further)]
    apart = all(one.start >= end for one, end in zip(further, ends[:-1], strict=True)) and ends[-1] <= len(data)
    return further if apart and all(_is_smaller(data, one) for one in further) else None


def rewritten(data: bytes, places: Sequence[tuple[int, int]]) -> bytes:
    """A file whose index tells that its pictures start there, and have so many bytes; in the order of their places."""
    file = bytearray(data)
    if found := index(data):
        for one, (start, size) in zip(sorted(found.pictures, key=lambda one: one.start), places, strict=True):
            struct.pack_into(found.order + "II", file, one.at + 4, size, start - found.base if start else 0)
    return bytes(file)


def with_places(data: bytearray, found: Index, place: Callable[[int], int]) -> None:
    """Writes into a file in which bytes moved where its pictures are now.

    Args:
        data: the file as it is now.
        found: its index, as it was.
        place: where a byte of the old file is in the new one.
    """
    for number, one in enumerate(found.pictures):
        start, end = place(one.start), place(one.start + one.size)
        offset = start - place(found.base) if number and one.start != found.base else 0
        struct.pack_into(found.order + "II", data, place(one.at) + 4, end - start, offset)


def _read(data: bytes, base: int) -> Index:
    order = {b"II": "<", b"MM": ">"}[data[base : base + 2]]
    (directory,) = struct.unpack_from(order + "I", data, base + 4)
    (count,) = struct.unpack_from(order + "H", data, base + directory)
    for number in range(min(count, _MOST_TAGS)):
        entry = base + directory + 2 + number * _DIRECTORY_ENTRY_BYTES
        tag, _, size, offset = struct.unpack_from(order + "HHII", data, entry)
        if tag == _ENTRIES:
            places = range(base + offset, base + offset + size - _ENTRY_BYTES + 1, _ENTRY_BYTES)
            return Index(base, order, tuple(_picture(data, base, order, at) for at in places))
    raise ValueError("it lists no pictures")


def _picture(data: bytes, base: int, order: str, at: int) -> Picture:
    attributes, size, offset = struct.unpack_from(order + "III", data, at)
    first = offset == 0  # as the standard has it for the first picture
    return Picture(attributes & _TYPE, 0 if first else base + offset, size, at)


def _is_full(data: bytes, one: Picture, *, gain_map: bool) -> bool:
    """One of several by its kind, or, where that is not told, by its size; one that is not there is none."""
    if one.kind >> 16 == _PREVIEWS or data[one.start : one.start + len(SOI)] != SOI:
        return False
    if one.kind >> 16 == _OF_SEVERAL:
        return True
    try:
        other = data[one.start : one.start + min(one.size, _LONGEST_HEADER)]
        if gain_map or _tells_gain_map(other):
            return False
        first, second = Frame.of(data), Frame.of(other)
    except (ValueError, RuntimeError, struct.error):
        return False
    return second.width >= first.width and second.height >= first.height


def _is_smaller(data: bytes, one: Picture) -> bool:
    try:
        first, second = Frame.of(data), Frame.of(data[one.start : one.start + one.size])
    except (ValueError, RuntimeError, struct.error):
        return False
    return second.width * second.height < first.width * first.height


def _tells_gain_map(data: bytes) -> bool:
    return any(name in one.payload for one in header(data) for name in _GAIN_MAPS)
