"""A blank JPEG file of any frame: what turned coefficients are written into, as jpegio can only change a file.

Format: ITU-T T.81, annex B.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

_SOI, _EOI, _DQT, _SOF, _DHT, _SOS = b"\xff\xd8", b"\xff\xd9", 0xDB, 0xC1, 0xC4, 0xDA
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
    """A picture's size in pixels, its components, and the numbers of the quantisation tables that there are."""

    width: int
    height: int
    components: Sequence[Component]
    tables: Sequence[int]

    @property
    def across(self) -> int:
        """Blocks of one MCU beside each other; a single component is not interleaved, whatever its factors."""
        return max(one.across for one in self.components) if len(self.components) > 1 else 1

    @property
    def down(self) -> int:
        """Blocks of one MCU below each other."""
        return max(one.down for one in self.components) if len(self.components) > 1 else 1


def blank_jpeg(frame: Frame) -> bytes:
    """A JPEG file whose coefficients are all 0. Each block takes two bits: no change of DC, and no AC."""
    blocks = sum(one.across * one.down for one in frame.components) if len(frame.components) > 1 else 1
    mcus = ceil(frame.width / (_BLOCK * frame.across)) * ceil(frame.height / (_BLOCK * frame.down))
    tables = [_segment(_DQT, bytes([number]) + b"\1" * _BLOCK**2) for number in frame.tables]
    codes = _segment(_DHT, b"\x00" + _ONE_SYMBOL + b"\x10" + _ONE_SYMBOL)
    return b"".join(
        [_SOI, *tables, _frame(frame), codes, _scan(frame), bytes(ceil(mcus * blocks / _BLOCKS_IN_BYTE)), _EOI]
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
