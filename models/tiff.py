"""The directories of a TIFF file, looked at before Pillow is, which trusts them. Format: TIFF 6.0; BigTIFF."""

import struct
from collections.abc import Iterator
from typing import NamedTuple, Self

_TILE_WIDTH, _TILE_LENGTH = 322, 323
_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "B", 8: "H", 9: "I", 13: "I", 16: "Q", 17: "Q", 18: "Q"}


class Entry(NamedTuple):
    """One tag: how many values of which type, and where its value or its offset stands."""

    tag: int
    kind: int
    values: int
    place: int


class Tiff(NamedTuple):
    """How a file writes numbers, and where its first directory is."""

    data: bytes
    order: str
    big: bool
    first: int

    @classmethod
    def of(cls, data: bytes) -> Self | None:
        """Reads the header; None where it is no TIFF."""
        order = {b"II": "<", b"MM": ">"}.get(data[:2])
        if order is None or len(data) < 16:
            return None
        big = data[2:4] in (b"\x2b\0", b"\0\x2b")
        (first,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
        return cls(data, order, big, first)

    def entries(self, directory: int) -> Iterator[Entry]:
        """Yields those of one directory, as far as they are in the file."""
        for place in self._places(directory):
            if place + self._entry > len(self.data):
                return
            tag, kind, count = struct.unpack_from(self.order + ("HHQ" if self.big else "HHI"), self.data, place)
            yield Entry(tag, kind, count, place + self._entry - self._offset)

    def integer(self, entry: Entry) -> int:
        """The first value, or 0 where it is no integer."""
        kind = _INTEGERS.get(entry.kind)
        if kind is None or not entry.values:
            return 0
        size = struct.calcsize(self.order + kind)
        place = entry.place if size * entry.values <= self._offset else self._number(entry.place)
        if place + size > len(self.data):
            return 0
        value: int = struct.unpack_from(self.order + kind, self.data, place)[0]
        return value

    @property
    def _entry(self) -> int:
        return 20 if self.big else 12

    @property
    def _offset(self) -> int:
        return 8 if self.big else 4

    def told(self, directory: int) -> int:
        """How many entries one directory says that it has; 0 where it is not in the file."""
        if directory + self._head > len(self.data):
            return 0
        count: int = struct.unpack_from(self.order + ("Q" if self.big else "H"), self.data, directory)[0]
        return count

    def _places(self, directory: int) -> range:
        first = directory + self._head
        return range(first, first + self.told(directory) * self._entry, self._entry)

    @property
    def _head(self) -> int:
        return 8 if self.big else 2

    def _number(self, place: int) -> int:
        if place + self._offset > len(self.data):
            return 0
        number: int = struct.unpack_from(self.order + ("Q" if self.big else "I"), self.data, place)[0]
        return number


def tile_pixels(data: bytes) -> int:
    """Returns the pixels of the largest tile that a file's first directory asks for, 0 where it is no tiled TIFF.

    A picture of 16 x 16 pixels in one tile of 40,000 x 40,000 took 1.5 GB. A tag that is there twice counts with its
    largest value, as Pillow reads the last and libtiff the first.
    """
    file = Tiff.of(data)
    sides = {_TILE_WIDTH: 0, _TILE_LENGTH: 0}
    for entry in file.entries(file.first) if file else ():
        if file and entry.tag in sides:
            sides[entry.tag] = max(sides[entry.tag], file.integer(entry))
    return sides[_TILE_WIDTH] * sides[_TILE_LENGTH]
