"""Exif: an EXIF block, or a TIFF file, as the directory of tags that both are; edited with as few bytes as possible.

Formats: TIFF 6.0, section 2; BigTIFF; Exif 2.32, section 4.5. Offsets in it count from its start, so what is added goes
to its end, and nothing that is there moves: not the thumbnail, not a maker's notes with offsets of their own.
"""

import struct
from collections.abc import Iterator
from typing import Self

from models.exif import MOST_ENTRIES
from serving.upright.formats.shifting import with_entry

_ORIENTATION = 0x0112
_EXIF_DIRECTORY = 0x8769
_SIDES = (0xA002, 0xA003)  # PixelXDimension, PixelYDimension
_THUMBNAIL_OFFSET, _THUMBNAIL_BYTES = 0x0201, 0x0202
_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q"}
_RATIONALS = {5: "I", 10: "i"}
_SHORT = 3
_XMP, _BYTES = 0x02BC, (1, 7)

PREFIX = b"Exif\0\0"
"""What stands before the block in a JPEG, and in some other files where it should not."""

NEW = b"MM\0*\0\0\0\x08\0\0\0\0\0\0"
"""An EXIF block without a tag."""


class Exif:
    """Parsed lazily, and as leniently as viewers do: a directory that lies elsewhere or is cut off ends there.

    What is broken beyond that raises ValueError or struct.error where it is met.
    """

    @classmethod
    def of_block(cls, block: bytes | None) -> Self:
        """Reads an EXIF block; where there is none, or nothing in it that a program can read, a new one.

        Cameras and programs leave empty blocks, zeroed ones, and ones that were cut off.
        """
        try:
            exif = cls((block or b"").removeprefix(PREFIX))
            return exif if exif._directory(exif._first) else cls(NEW)
        except (ValueError, struct.error):
            return cls(NEW)

    def __init__(self, data: bytes) -> None:
        order = {b"II": "<", b"MM": ">"}.get(data[:2])
        if order is None:
            raise ValueError("it is no TIFF structure")
        self._data = bytearray(data)
        self._order = order
        big = struct.unpack_from(order + "H", data, 2)[0] == 43  # BigTIFF
        self._offset, self._count, self._entry_bytes = ("Q", "Q", 20) if big else ("I", "H", 12)
        self._root = self._inline = 8 if big else 4  # where the first directory's offset stands; bytes of an offset

    def to_bytes(self) -> bytes:
        """The block, edited."""
        return bytes(self._data)

    @property
    def orientation(self) -> int | None:
        """The picture's tag; None where there is none."""
        return self._get(self._first, _ORIENTATION)

    @orientation.setter
    def orientation(self, value: int) -> None:
        """Written as one SHORT, whatever type it had: browsers overlook any other."""
        places = [at for tag, at in self._entries(self._first) if tag == _ORIENTATION]
        for at in places:
            self._data[at : at + self._entry_bytes] = self._short(_ORIENTATION, value)
        if not places:
            self._add(_ORIENTATION, value)

    def insert_orientation(self, value: int) -> None:
        """Adds the tag where the first directory stands, as what goes to the end would lie too far.

        Raises:
            ValueError, struct.error: it is broken, or must not move.
        """
        self._data = bytearray(with_entry(bytes(self._data), self._order, self._short(_ORIENTATION, value)))

    @property
    def is_plain(self) -> bool:
        """Whether the picture's tag, if there is one, is told as the standard has it: as one SHORT."""
        heads = [self._data[at + 2 : at + 8] for tag, at in self._entries(self._first) if tag == _ORIENTATION]
        return all(head == self._short(_ORIENTATION, 1)[2:8] for head in heads)

    @property
    def thumbnail_orientation(self) -> int | None:
        """The embedded thumbnail's own tag, which few cameras write."""
        return self._get(self._second, _ORIENTATION)

    @thumbnail_orientation.setter
    def thumbnail_orientation(self, value: int) -> None:
        self._put(self._second, _ORIENTATION, value)

    @property
    def thumbnail(self) -> bytes | None:
        """The embedded thumbnail, a JPEG file."""
        start, size = self._get(self._second, _THUMBNAIL_OFFSET), self._get(self._second, _THUMBNAIL_BYTES)
        if start is None or size is None or start + size > len(self._data):
            return None
        return bytes(self._data[start : start + size])

    @thumbnail.setter
    def thumbnail(self, data: bytes) -> None:
        start, size = self._get(self._second, _THUMBNAIL_OFFSET), self._get(self._second, _THUMBNAIL_BYTES)
        if start is None or size is None:
            raise ValueError("it has no thumbnail to replace")
        if len(data) > size:
            start = self._append(data)
            self._put(self._second, _THUMBNAIL_OFFSET, start)
        self._data[start : start + len(data)] = data
        self._put(self._second, _THUMBNAIL_BYTES, len(data))

    @property
    def xmp(self) -> bytes:
        """The XMP packet that TIFF files keep in a tag; empty where there is none."""
        return bytes(self._data[self._packet])

    @xmp.setter
    def xmp(self, packet: bytes) -> None:
        if len(packet) != len(self.xmp):
            raise ValueError("an XMP packet keeps its length")
        self._data[self._packet] = packet

    def swap_sides(self) -> None:
        """Lets the width and the height that are told change places."""
        directory = self._directory(self._get(self._first, _EXIF_DIRECTORY) or 0)
        width, height = (self._get(directory, tag) for tag in _SIDES)
        if width is not None and height is not None:
            for tag, value in zip(_SIDES, (height, width), strict=True):
                self._put(directory, tag, value)

    @property
    def _first(self) -> int:
        return self._read(self._offset, self._root)

    @property
    def _second(self) -> int:
        """0 where there is none, as some leave its offset out, or tell that of the first."""
        at = self._end(self._first)
        if at + self._inline > len(self._data):
            return 0
        found = self._read(self._offset, at)
        return 0 if found == self._first else self._directory(found)

    def _directory(self, at: int) -> int:
        """0 where no directory can stand."""
        if not self._root < at <= len(self._data) - struct.calcsize(self._order + self._count):
            return 0
        return at if self._read(self._count, at) <= MOST_ENTRIES else 0

    @property
    def _packet(self) -> slice:
        for tag, at in self._entries(self._first):
            if tag == _XMP and self._read("H", at + 2) in _BYTES:
                size = self._read(self._offset, at + 4)
                start = self._read(self._offset, at + 4 + self._inline)
                return slice(start, start + size)
        return slice(0, 0)

    def _read(self, kind: str, at: int) -> int:
        value: int = struct.unpack_from(self._order + kind, self._data, at)[0]
        return value

    def _end(self, directory: int) -> int:
        """Where the offset of the next directory stands, or, of one that is cut off, its last whole tag ends."""
        count = self._read(self._count, directory)
        if count > MOST_ENTRIES:
            raise ValueError(f"a directory of {count} tags")
        first = directory + struct.calcsize(self._order + self._count)
        whole = (len(self._data) - first) // self._entry_bytes
        return first + min(count, whole) * self._entry_bytes

    def _entries(self, directory: int) -> Iterator[tuple[int, int]]:
        """Yields each tag and where its entry stands."""
        first = directory + struct.calcsize(self._order + self._count)
        for at in range(first, self._end(directory), self._entry_bytes):
            yield self._read("H", at), at

    def _value(self, directory: int, tag: int) -> tuple[str, int] | None:
        """The format of an integer, or of a fraction's upper one, and where it stands; the first of several."""
        for found, at in self._entries(directory) if directory else ():
            if found == tag:
                kind, value = self._read("H", at + 2), at + self._entry_bytes - self._inline
                if kind in _INTEGERS:
                    size = struct.calcsize(_INTEGERS[kind]) * self._read(self._offset, value - self._inline)
                    return _INTEGERS[kind], value if size <= self._inline else self._read(self._offset, value)
                return (_RATIONALS[kind], self._read(self._offset, value)) if kind in _RATIONALS else None
        return None

    def _get(self, directory: int, tag: int) -> int | None:
        place = self._value(directory, tag)
        if place is None or place[1] + struct.calcsize(self._order + place[0]) > len(self._data):
            return None
        return self._read(*place)

    def _put(self, directory: int, tag: int, value: int) -> bool:
        """Returns whether the tag is there."""
        place = self._value(directory, tag)
        if place is not None:
            kind, at = place
            struct.pack_into(self._order + kind, self._data, at, value)
        return place is not None

    def _add(self, tag: int, value: int) -> None:
        """Writes a longer copy of the first directory to the end, as entries behind it keep it from growing."""
        start, end = self._first, self._end(self._first)
        size, head = self._entry_bytes, struct.calcsize(self._order + self._count)
        at = next((at for found, at in self._entries(start) if found > tag), end)
        following = self._data[end : end + self._inline].ljust(self._inline, b"\0")
        directory = self._data[start:at] + self._short(tag, value) + self._data[at:end] + following
        struct.pack_into(self._order + self._count, directory, 0, (len(directory) - head - len(following)) // size)
        struct.pack_into(self._order + self._offset, self._data, self._root, self._append(bytes(directory)))

    def _short(self, tag: int, value: int) -> bytes:
        """An entry."""
        count = 1
        entry = struct.pack(f"{self._order}HH{self._offset}H", tag, _SHORT, count, value)
        return entry.ljust(self._entry_bytes, b"\0")

    def _append(self, data: bytes) -> int:
        """Returns where it stands: at an even offset, as TIFF has it."""
        self._data += b"\0" * (len(self._data) % 2)
        start = len(self._data)
        self._data += data
        return start
