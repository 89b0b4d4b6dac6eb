"""A blank JPEG file of any frame: what turned coefficients are written into, as jpegio can only change a file.

Format: ITU-T T.81, annex B.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple, Self

from serving.upright.formats.segments import SOI, header

_EOI, _DQT, _SOF, _DHT, _SOS = b"\xff\xd9", 0xDB, 0xC1, 0xC4, 0xDA
_FRAMES = (0xC0, 0xC1, 0xC2, 0xC9, 0xCA)  # of DCT coefficients: sequential and progressive, Huffman and arithmetic
_BLOCK, _BLOCKS_IN_BYTE = 8, 4
_BITS, _WHOLE_SPECTRUM = 8, bytes([0, 63, 0])
_ONE_SYMBOL = bytes([1, *[0] * 15, 0])  # one code of one bit: 0, for the symbol 0


class Component(NamedTuple):
    """One colour: its id, its sampling factors, and the number of its quantisation table."""

    number: int
    across: int
    down: int
    table: int

    def transposed(self) -> "Component":
        """Of the picture with its axes exchanged."""
        return self._replace(across=self.down, down=self.across)


@dataclass(frozen=True)
class Frame:
    """A picture's size in pixels, its components, and the numbers of its quantisation tables."""

    width: int
    height: int
    components: Sequence[Component]
    tables: Sequence[int]

    @classmethod
    def of(cls, data: bytes) -> Self:
        """Reads a JPEG file's.

        Raises:
            RuntimeError: it holds no DCT coefficients.
            ValueError, struct.error: its header is broken.
        """
        segments = list(header(data))
        payload = next((one.payload for one in segments if one.marker in _FRAMES), bytes(6))
        _, height, width, count = struct.unpack_from(">BHHB", payload)
        coded = (payload[start : start + 3] for start in range(6, 6 + 3 * count, 3))
        components = [Component(number, both >> 4, both & 0xF, table) for number, both, table in coded]
        if not (width and height and components):
            raise RuntimeError("it has no frame of DCT coefficients, or one without a size")
        tables = {number for one in segments if one.marker == _DQT for number in _table_numbers(one.payload)}
        return cls(width, height, components, sorted(tables))

    def transposed(self) -> "Frame":
        """Of the picture with its axes exchanged."""
        return Frame(self.height, self.width, [one.transposed() for one in self.components], self.tables)

    @property
    def across(self) -> int:
        """Blocks of one MCU beside each other; a single component is not interleaved, whatever its factors."""
        return max(one.across for one in self.components) if len(self.components) > 1 else 1

    @property
    def down(self) -> int:
        """Blocks of one MCU below each other."""
        return max(one.down for one in self.components) if len(self.components) > 1 else 1


def _table_numbers(payload: bytes) -> Iterator[int]:
    """Of one segment, which may hold several tables of 8 or 16 bits an entry."""
    position = 0
    while position < len(payload):
        yield payload[position] & 0xF
        position += 1 + _BLOCK**2 * (2 if payload[position] >> 4 else 1)


def blank_jpeg(frame: Frame) -> bytes:
    """A JPEG file whose coefficients are all 0. Each block takes two bits: no change of DC, and no AC."""
    blocks = sum(one.across * one.down for one in frame.components) if len(frame.components) > 1 else 1
    mcus = ceil(frame.width / (_BLOCK * frame.across)) * ceil(frame.height / (_BLOCK * frame.down))
    tables = [_segment(_DQT, bytes([number]) + b"\1" * _BLOCK**2) for number in frame.tables]
    codes = _segment(_DHT, b"\x00" + _ONE_SYMBOL + b"\x10" + _ONE_SYMBOL)
    return b"".join(
        [SOI, *tables, _frame(frame), codes, _scan(frame), bytes(ceil(mcus * blocks / _BLOCKS_IN_BYTE)), _EOI]
    )


def _frame(frame: Frame) -> bytes:
    components = [bytes([one.number, one.across << 4 | one.down, one.table]) for one in frame.components]
    size = struct.pack(">BHHB", _BITS, frame.height, frame.width, len(components))
    return _segment(_SOF, size + b"".join(components))


def _scan(frame: Frame) -> bytes:
    components = b"".join(bytes([one.number, 0]) for one in frame.components)
    return _segment(_SOS, bytes([len(frame.components)]) + components + _WHOLE_SPECTRUM)


def _segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload
