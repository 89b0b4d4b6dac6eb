"""What a JPEG costs: its frame, the scans over it, and the segments before them. Format: ITU-T T.81, annex B."""

import re
import struct
from dataclasses import dataclass, field
from math import ceil

from models.cost.cost import Cost, Parts, widened_bytes
from models.cost.searching import holds
from models.errors import ImageTooLargeError
from models.limits import ImageLimits, Size

_SOS, _EOI, _APP1, _APP13 = 0xDA, 0xD9, 0xE1, 0xED
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}) | {0xDE}
_LEAST_FRAME, _NOTED = min(_FRAMES), _FRAMES | {_APP1, _APP13}
_PROGRESSIVE, _ARITHMETIC = frozenset({0xC2, 0xC6, 0xCA, 0xCE}), range(0xC9, 0xD0)
_ALONE = frozenset({0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE)})  # markers that no length follows
_FILL = re.compile(rb"\xff+")
_IN_SCAN = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")  # stuffed bytes, fill and restarts belong to the scan
# Within a scan Pillow keeps what its decoder has no use for, and copies it for each 64 KiB.
_FILLED = b"\xff" * 4096
_LEAST_FILLED = 1024 * 1024  # bytes of a file in which that is worth a look
_PIECE = 256 * 1024  # searched in one go, as the interpreter is held meanwhile
_BYTES_A_PART = 256  # of 0xFF within scans, at each of which that search halts; one byte in 256 is by chance
_GATHERED = 4096  # Pillow joins EXIF segments one by one: so many bytes moved count as one part
_RESOURCE = b"8BIM"
_EXIF_ENTRY = 12

_S_PER_PART, _S_PER_BYTE, _S_PER_SAMPLE, _S_PER_SCANNED, _S_PER_PIXEL = 2e-6, 14e-9, 2e-9, 0.7e-9, 12e-9
_S_PER_FILLED = 100e-9
_ARITHMETIC_FACTOR = 5
_CUT_OFF_BYTES, _CUT_OFF_FACTOR = 16, 4
_SCALES = (8, 4, 2)


@dataclass
class _Header:
    """What stands before the first scan.

    Attributes:
        sides: of the largest frame.
        sampling: across and down, of each component.
        coding: the frame's marker.
        scan: where the first scan's header begins, 0 if there is none.
    """

    parts: Parts
    sides: tuple[int, int] = (0, 0)
    sampling: list[tuple[int, int]] = field(default_factory=list)
    coding: int = 0
    scan: int = 0
    exif: int = 0


def cost(data: bytes, at_least: Size | None, limits: ImageLimits) -> Cost:
    """Estimates a JPEG, or the first picture of an MPO.

    Raises:
        ImageTooLargeError: too many pixels, scans or parts.
    """
    header = _read(data, Parts(limits))
    width, height = header.sides
    limits.refuse_pixels(width * height, f"{width} x {height} pixels")
    samples = _samples(header)
    scans, whole = _scans(data, header, limits.max_scans) if header.scan else (0, True)
    scale = _scale(width, height, at_least)
    out_width, out_height = ceil(width / scale), ceil(height / scale)
    stored = out_width * out_height * (1 if len(header.sampling) == 1 else 4)
    memory = 2 * header.scan  # Pillow keeps the segments
    memory += stored + widened_bytes(out_width, out_height, at_least) + (2 * samples if scans > 1 else 0)
    coding = len(data) * _S_PER_BYTE + samples * (_S_PER_SAMPLE + (_S_PER_SCANNED * scans if scans > 1 else 0))
    seconds = coding * (_ARITHMETIC_FACTOR if header.coding in _ARITHMETIC else 1) + stored * _S_PER_PIXEL
    if not whole:  # it is decoded again, several times, to see how much of it is there: see cut_off.py
        memory, seconds = memory + _CUT_OFF_BYTES * (width * height if scans > 1 else stored), _CUT_OFF_FACTOR * seconds
    held = header.parts.count * _S_PER_PART
    if len(data) > _LEAST_FILLED and holds(data, _FILLED, header.scan):
        held += len(data) * _S_PER_FILLED
    return Cost(width * height, memory, seconds + held, held)


def _read(data: bytes, parts: Parts) -> _Header:
    """As Pillow does, which passes over fill, and over what stands between segments, byte by byte."""
    header, position, length = _Header(parts), 2, len(data)
    passed, most = 0, parts.limit
    while (start := data.find(b"\xff", position)) >= 0:
        end = start + 1
        if data[end : end + 1] == b"\xff" and (filled := _FILL.match(data, end)):
            end = filled.end()
        passed += end - position
        if passed > most:
            break
        marker = data[end] if end < length else 0
        position = end + 1
        if marker == 0 or marker in _ALONE:
            continue
        if marker < _LEAST_FRAME or position + 2 > length:
            break
        size = data[position] << 8 | data[position + 1]
        if marker in _NOTED:
            _note(header, marker, data[position + 2 : position + size])
        if marker == _SOS:
            header.scan = end - 1
            break
        position += size if size > 2 else 2
    parts.add(passed)
    return header


def _note(header: _Header, marker: int, payload: bytes) -> None:
    if marker in _FRAMES and len(payload) >= 6:
        height, width, count = struct.unpack_from(">HHB", payload, 1)
        if width * height > header.sides[0] * header.sides[1]:
            header.sides = width, height
        factors = payload[7 : 6 + 3 * count : 3]
        header.sampling = [(max(1, both >> 4), max(1, both & 0xF)) for both in factors] or [(1, 1)]
        header.coding = max(header.coding, marker)
    elif marker == _APP1 and payload.startswith(b"Exif\0\0"):
        header.exif += len(payload)
        header.parts.add(header.exif // _GATHERED + len(payload) // _EXIF_ENTRY)
    elif marker == _APP13:
        header.parts.add(payload.count(_RESOURCE))


def _samples(header: _Header) -> int:
    """Of all components, whole blocks of the largest MCU."""
    (width, height), across, down, blocks = header.sides, 1, 1, 0
    for one, other in header.sampling:
        across, down, blocks = max(across, one), max(down, other), blocks + one * other
    return ceil(width / (8 * across)) * ceil(height / (8 * down)) * 64 * blocks


def _scans(data: bytes, header: _Header, most: int) -> tuple[int, bool]:
    """Those up to the end of the picture, and whether it has one; a first scan of all components has no other.

    Raises:
        ImageTooLargeError: there are more than ``most``, or too many segments between them.
    """
    components = data[header.scan + 4 : header.scan + 5]
    one_alone = header.coding not in _PROGRESSIVE and components == bytes([len(header.sampling)])
    if one_alone and data.endswith(b"\xff\xd9"):
        return 1, True
    for start in range(header.scan, len(data), _PIECE):
        header.parts.add(data.count(b"\xff", start, start + _PIECE) // _BYTES_A_PART)
    scans, position = 0, header.scan
    while (found := next_marker(data, position)) is not None:
        marker, after = found
        if marker == _EOI:
            return min(scans, 1) if one_alone else scans, True
        scans += marker == _SOS
        if scans > most and not one_alone:
            raise ImageTooLargeError(f"the image has more than {most} scans, the most that are allowed")
        header.parts.add()
        size = struct.unpack_from(">H", data, after)[0] if after + 2 <= len(data) else 0
        position = after + (0 if marker in _ALONE else size)
    return min(scans, 1) if one_alone else scans, False


def next_marker(data: bytes, position: int) -> tuple[int, int] | None:
    """The next marker and where it ends, searched in pieces that overlap by a byte."""
    for start in range(position, len(data), _PIECE):
        if found := _IN_SCAN.search(data, start, start + _PIECE + 1):
            return found[1][0], found.end()
    return None


def _scale(width: int, height: int, at_least: Size | None) -> int:
    """By what libjpeg divides the sides while it decodes; for the turn that asks for more, as it is not known yet."""
    if at_least is None:
        return 1
    longest = max(at_least.width, at_least.height)
    room = min(width, height) // longest
    return next((scale for scale in _SCALES if room >= scale), 1)
