"""Exif: an EXIF block, or a TIFF file, as the directory of tags that both are; edited with as few bytes as possible.

Formats: TIFF 6.0, section 2; BigTIFF; Exif 2.32, section 4.5. Offsets in it count from its start, so what is added goes
to its end, and nothing that is there moves: not the thumbnail, not a maker's notes with offsets of their own.
"""

import struct
from collections.abc import Iterator

_ORIENTATION = 0x0112
_EXIF_DIRECTORY = 0x8769
_SIDES = (0xA002, 0xA003)  # PixelXDimension, PixelYDimension
_THUMBNAIL_OFFSET, _THUMBNAIL_BYTES = 0x0201, 0x0202
_INTEGERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q"}
_SHORT = 3
_XMP, _BYTES = 0x02BC, (1, 7)
_MOST_ENTRIES = 0xFFFF

NEW = b"MM\0*\0\0\0\x08\0\0\0\0\0\0"
"""An EXIF block without a tag."""


class Exif:
    """Parsed lazily; what is broken raises ValueError or struct.error where it is met."""

    def __init__(self, data: bytes) -> None:
        order = {b"II": "<", b"MM": ">"}.get(data[:2])
        if order is None:
            raise ValueError("it is no TIFF structure")
        self._data = bytearray(data)
        self._order = order
        big = struct.unpack_from(order + "H", data, 2)[0] == 43  # BigTIFF
        self._offset, self._count, self._entry_bytes = ("Q", "Q", 20) if big else ("I", "H", 12)
        self._root = 8 if big else 4  # where the first directory's offset stands

    def to_bytes(self) -> bytes:
        """The block, edited."""
        return bytes(self._data)

    @property
    def orientation(self) -> int | None:
        """The picture's tag; None where there is none."""
        return self._get(self._first, _ORIENTATION)

    @orientation.setter
    def orientation(self, value: int) -> None:
        if not self._put(self._first, _ORIENTATION, value):
            self._add(_ORIENTATION, value)

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
        directory = self._get(self._first, _EXIF_DIRECTORY)
        if directory is None:
            return
        width, height = (self._get(directory, tag) for tag in _SIDES)
        if width is not None and height is not None:
            for tag, value in zip(_SIDES, (height, width), strict=True):
                self._put(directory, tag, value)

    @property
    def _first(self) -> int:
        return self._read(self._offset, self._root)

    @property
    def _second(self) -> int:
        """0 where there is none."""
        return self._read(self._offset, self._end(self._first))

    @property
    def _packet(self) -> slice:
        for tag, at in self._entries(self._first):
            if tag == _XMP and self._read("H", at + 2) in _BYTES:
                size = self._read(self._offset, at + 4)
                start = self._read(self._offset, at + 4 + struct.calcsize(self._order + self._offset))
                return slice(start, start + size)
        return slice(0, 0)

    def _read(self, kind: str, at: int) -> int:
        value: int = struct.unpack_from(self._order + kind, self._data, at)[0]
        return value

    def _end(self, directory: int) -> int:
        """Where the offset of the next directory stands."""
        count = self._read(self._count, directory)
        if count > _MOST_ENTRIES:
            raise ValueError(f"a directory of {count} tags")
        return directory + struct.calcsize(self._order + self._count) + count * self._entry_bytes

    def _entries(self, directory: int) -> Iterator[tuple[int, int]]:
        """Yields each tag and where its entry stands."""
        first = directory + struct.calcsize(self._order + self._count)
        for at in range(first, self._end(directory), self._entry_bytes):
            yield self._read("H", at), at

    def _value(self, directory: int, tag: int) -> tuple[str, int] | None:
        """An integer's format and where it stands."""
        for found, at in self._entries(directory) if directory else ():
            if found == tag:
                kind = _INTEGERS.get(self._read("H", at + 2))
                if kind is None:
                    raise ValueError(f"the tag {tag} is no integer")
                return kind, at + self._entry_bytes - struct.calcsize(self._order + self._offset)
        return None

    def _get(self, directory: int, tag: int) -> int | None:
        place = self._value(directory, tag)
        return None if place is None else self._read(*place)

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
        count = 1
        entry = struct.pack(f"{self._order}HH{self._offset}H", tag, _SHORT, count, value).ljust(size, b"\0")
        following = struct.calcsize(self._order + self._offset)
        directory = self._data[start:at] + entry + self._data[at : end + following]
        struct.pack_into(self._order + self._count, directory, 0, (len(directory) - head - following) // size)
        struct.pack_into(self._order + self._offset, self._data, self._root, self._append(bytes(directory)))

    def _append(self, data: bytes) -> int:
        """Returns where it stands: at an even offset, as TIFF has it."""
        self._data += b"\0" * (len(self._data) % 2)
        start = len(self._data)
        self._data += data
        return start
