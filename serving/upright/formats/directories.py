"""The directories of tags of a TIFF file. Formats: TIFF 6.0, section 2; BigTIFF."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

DIRECTORIES = (0x8769, 0x8825, 0xA005)
"""Exif, GPS, interoperability: tags whose value is where more tags stand."""

# Bytes of a value of each type, and of what is turned round in it where the byte order is the other one.
_TYPES = {1: (1, 1), 2: (1, 1), 3: (2, 2), 4: (4, 4), 5: (8, 4), 6: (1, 1), 7: (1, 1), 8: (2, 2), 9: (4, 4)}
_TYPES |= {10: (8, 4), 11: (4, 4), 12: (8, 8), 13: (4, 4), 16: (8, 8), 17: (8, 8), 18: (8, 8)}
_INTEGERS = {1: 1, 3: 2, 4: 4, 13: 4, 16: 8, 18: 8}
_MOST_ENTRIES = 0xFFFF  # of all pages together: each costs a step


class Tag(NamedTuple):
    """One entry of a directory: so many values of a type, in little-endian order."""

    number: int
    type: int
    values: int
    value: bytes

    @property
    def integers(self) -> tuple[int, ...]:
        """The values, where they are whole numbers without a sign; else none."""
        size = _INTEGERS.get(self.type, 0)
        starts = range(0, len(self.value), size) if size else ()
        return tuple(int.from_bytes(self.value[at : at + size], "little") for at in starts)


class Reader:
    """Tags that all point at the same bytes must not make many of few."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._left = len(data)
        self._order = {b"II": "<", b"MM": ">"}[data[:2]]
        self._big = self._unpack("H", 2) == 43
        self.first: int = self._unpack("Q", 8) if self._big else self._unpack("I", 4)

    def tags(self, directory: int) -> dict[int, Tag]:
        """By their numbers; of one that is there twice, the last."""
        found = self._places(directory)
        places = {self._unpack("H", at): at for at in found if self._unpack("H", at + 2) in _TYPES}
        return {number: self._tag(number, at) for number, at in places.items()}

    def pages(self) -> Iterator[tuple[int, dict[int, int]]]:
        """Yields where each directory of the chain stands, and those of its tags that hold one integer.

        A chain that is broken behind the first ends there, as for viewers.

        Raises:
            ValueError, struct.error: the first is broken, or there are too many tags.
        """
        directory, seen, entries = self.first, set[int](), 0
        while directory and directory not in seen:
            seen.add(directory)
            found = self._places(directory)
            entries += len(found) + 1
            if entries > _MOST_ENTRIES:
                raise ValueError("its pages have too many tags")
            yield directory, dict(self._integer(at) for at in found)
            directory = self._following(found.stop)

    def _following(self, at: int) -> int:
        """Where the next directory stands; 0 where none can."""
        size = 8 if self._big else 4
        if at + size > len(self._data):
            return 0
        directory = self._unpack("Q" if self._big else "I", at)
        head = 8 if self._big else 2
        if directory + head > len(self._data):
            return 0
        count = self._unpack("Q" if self._big else "H", directory)
        return directory if directory + head + count * (20 if self._big else 12) <= len(self._data) else 0

    def _places(self, directory: int) -> range:
        """Where the entries stand; behind them stands the offset of the next directory."""
        count, start = (self._unpack("Q", directory), 8) if self._big else (self._unpack("H", directory), 2)
        if count > _MOST_ENTRIES:
            raise ValueError(f"a directory of {count} tags")
        size = 20 if self._big else 12
        return range(directory + start, directory + start + count * size, size)

    def _integer(self, at: int) -> tuple[int, int]:
        number, size = self._unpack("H", at), _INTEGERS.get(self._unpack("H", at + 2), 0)
        start = at + (12 if self._big else 8)
        kind = {0: None, 1: "B", 2: "H", 4: "I", 8: "Q" if self._big else None}[size]
        return number, 0 if kind is None else self._unpack(kind, start)

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
