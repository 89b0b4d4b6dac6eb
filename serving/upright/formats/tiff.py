"""TIFF files: their tags carried over to newly coded pixels. Formats: TIFF 6.0, section 2; BigTIFF."""

import struct
from typing import NamedTuple

from serving.upright.formats.edit import Edit
from serving.upright.formats.orientation import swaps_sides

_DIRECTORIES = (0x8769, 0x8825, 0xA005)  # Exif, GPS, interoperability: tags whose value is where more tags stand
_RESOLUTIONS = {282: 283, 283: 282}
# How the pixels lie in the file, and where further pictures of it are: these are the new file's own affair.
_LAYOUT = {254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 284, 288, 289, 290, 291, 292, 293}
_LAYOUT |= {317, 320, 322, 323, 324, 325, 330, 338, 339, 340, 341, 347, 512, 513, 514, 515, 517, 518, 519, 520, 521}
_LAYOUT |= {529, 530, 531, 532}
# Bytes of a value of each type, and of what is turned round in it where the byte order is the other one.
_TYPES = {1: (1, 1), 2: (1, 1), 3: (2, 2), 4: (4, 4), 5: (8, 4), 6: (1, 1), 7: (1, 1), 8: (2, 2), 9: (4, 4)}
_TYPES |= {10: (8, 4), 11: (4, 4), 12: (8, 8), 13: (4, 4)}
_LONG, _INLINE = 4, 4
_DEEPEST = 2


class Tag(NamedTuple):
    """One entry of a directory: so many values of a type, in little-endian order."""

    number: int
    type: int
    values: int
    value: bytes


def with_pixels(data: bytes, coded: bytes, edit: Edit) -> bytes:
    """Gives a newly coded file all tags of the source that are not about how pixels are stored.

    Args:
        data: the source.
        coded: a little-endian TIFF file of one picture, with no more tags than it needs.
        edit: for the source's tags.

    Raises:
        ValueError, struct.error: the source is broken.
    """
    file = bytearray(coded)
    source = _Reader(data)
    carried = [tag for tag in source.tags(source.first).values() if tag.number not in _LAYOUT]
    if edit.pixels is not None and swaps_sides(edit.pixels):
        carried = [tag._replace(number=_RESOLUTIONS.get(tag.number, tag.number)) for tag in carried]
    entries = _own_entries(coded) | {tag.number: _entry(file, source, tag) for tag in carried}
    struct.pack_into("<I", file, 4, _write(file, entries))
    return edit.exif(bytes(file))


class _Reader:
    """Tags that all point at the same bytes must not make many of few."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._left = len(data)
        self._order = {b"II": "<", b"MM": ">"}[data[:2]]
        self._big = self._unpack("H", 2) == 43
        self.first = self._unpack("Q", 8) if self._big else self._unpack("I", 4)

    def tags(self, directory: int) -> dict[int, Tag]:
        """By their numbers; of one that is there twice, the last."""
        count, start = (self._unpack("Q", directory), 8) if self._big else (self._unpack("H", directory), 2)
        size = 20 if self._big else 12
        found = range(directory + start, directory + start + min(count, 0xFFFF) * size, size)
        places = {self._unpack("H", at): at for at in found if self._unpack("H", at + 2) in _TYPES}
        return {number: self._tag(number, at) for number, at in places.items()}

    def _tag(self, number: int, at: int) -> Tag:
        kind = self._unpack("H", at + 2)
        values = self._unpack("Q" if self._big else "I", at + 4)
        bytes_each, swapped = _TYPES[kind]
        size, start, inline = values * bytes_each, at + (12 if self._big else 8), 8 if self._big else 4
        if size > inline:
            start = self._unpack("Q" if self._big else "I", start)
        self._left -= size
        if self._left < 0 or start + size > len(self._data):
            raise ValueError("its tags have more bytes than the file")
        value = self._data[start : start + size]
        if self._order == ">" and swapped > 1:
            value = b"".join(value[part : part + swapped][::-1] for part in range(0, size, swapped))
        return Tag(number, kind, values, value)

    def _unpack(self, kind: str, at: int) -> int:
        value: int = struct.unpack_from(self._order + kind, self._data, at)[0]
        return value


def _own_entries(coded: bytes) -> dict[int, bytes]:
    """Each tag's entry as it stands there: what it points at does not move."""
    (directory,) = struct.unpack_from("<I", coded, 4)
    (count,) = struct.unpack_from("<H", coded, directory)
    entries = (coded[at : at + 12] for at in range(directory + 2, directory + 2 + count * 12, 12))
    return {struct.unpack_from("<H", entry)[0]: entry for entry in entries}


def _entry(file: bytearray, source: _Reader, tag: Tag, depth: int = 0) -> bytes:
    """Appends the value, where it is long, and the whole directory, where it is one."""
    kind, values, value = tag.type, tag.values, tag.value
    if tag.number in _DIRECTORIES and depth < _DEEPEST:
        inner = source.tags(int.from_bytes(value, "little")).values()
        kind, values = _LONG, 1
        value = struct.pack("<I", _write(file, {one.number: _entry(file, source, one, depth + 1) for one in inner}))
    elif len(value) > _INLINE:
        value = struct.pack("<I", _append(file, value))
    return struct.pack("<HHI", tag.number, kind, values) + value.ljust(_INLINE, b"\0")


def _write(file: bytearray, entries: dict[int, bytes]) -> int:
    """Appends a directory; returns where it stands."""
    return _append(file, struct.pack("<H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries)) + bytes(4))


def _append(file: bytearray, data: bytes) -> int:
    file += b"\0" * (len(file) % 2)
    start = len(file)
    file += data
    return start
