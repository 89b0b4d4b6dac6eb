"""What a PNG costs: its samples, and its chunks, some of them packed. Format: PNG (third edition), section 5."""

import struct

from models.cost.cost import Cost, Parts, widened_bytes
from models.limits import ImageLimits, Size

_START = 8
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_IHDR = 18  # bytes of the chunk as far as they are read here
_GREY, _RGB, _DEEP = 0, 2, 16
_PACKED = frozenset({b"iCCP", b"zTXt", b"iTXt"})
_MOST_UNPACKED, _MOST_TEXT = 1024 * 1024, 64 * 1024 * 1024  # Pillow's own bounds, of a chunk and of all
_DEFLATE_FACTOR = 1032  # more does not come out of a byte

_S_PER_PART, _S_PER_RAW_BYTE, _S_PER_PIXEL, _S_PER_UNPACKED = 3e-6, 6e-9, 10e-9, 4e-9


def cost(data: bytes, at_least: Size | None, limits: ImageLimits) -> Cost:
    """Estimates a PNG.

    Raises:
        ImageTooLargeError: too many pixels or chunks.
    """
    parts, position = Parts(limits), _START
    width = height = raw = stored = unpacked = colour = 0
    while position + 12 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        parts.add()
        if kind == b"IHDR" and size >= 13 and position + _IHDR <= len(data):
            width, height, depth, colour = struct.unpack_from(">IIBB", data, position + 8)
            limits.refuse_pixels(width * height, f"{width} x {height} pixels")
            raw = max(raw, height * (1 + width * depth * _CHANNELS.get(colour, 1) // 8))
            stored = max(stored, width * height * _pixel_bytes(depth, colour))
        elif kind in _PACKED:
            unpacked += min(_MOST_UNPACKED, size * _DEFLATE_FACTOR)
        elif kind == b"IEND":
            break
        position += 12 + size
    pixels, held = width * height, parts.count * _S_PER_PART
    seconds = raw * _S_PER_RAW_BYTE + pixels * _S_PER_PIXEL + unpacked * _S_PER_UNPACKED + held
    whole = colour == _RGB  # which is not reduced; turned, it is there twice
    memory = stored + widened_bytes(width, height, None if whole else at_least) + min(unpacked, _MOST_TEXT)
    return Cost(pixels, memory, seconds, held)


def _pixel_bytes(depth: int, colour: int) -> int:
    """In Pillow's memory."""
    if _CHANNELS.get(colour) != 1:
        return 4
    return 2 if depth == _DEEP and colour == _GREY else 1
