"""What WebP files cost. Format: RFC 9649."""

import struct

from models.cost.cost import Cost, Parts, whole_bytes
from models.limits import ImageLimits, Size

# libwebp's decoder of animations keeps two canvases for still pictures too, and copies one out; all under the
# interpreter's lock. Lossless ones are put together in a fourth copy.
_PIXEL_BYTES, _S_PER_PIXEL, _S_PER_BYTE, _S_PER_PART = 20, 40e-9, 30e-9, 1e-6


def cost(data: bytes, at_least: Size | None, limits: ImageLimits) -> Cost:
    """Estimates a WebP, still or animated.

    Raises:
        ImageTooLargeError: too many pixels or chunks.
    """
    parts, sides, position = Parts(limits), (0, 0), 12
    while position + 8 <= len(data):
        kind, size = struct.unpack_from("<4sI", data, position)
        parts.add()
        found = _sides(kind, data[position + 8 : position + 18])
        sides = max(sides, found, key=lambda one: one[0] * one[1])
        position += 8 + size + size % 2
    width, height = sides
    pixels = width * height
    limits.refuse_pixels(pixels, f"{width} x {height} pixels")
    seconds = len(data) * _S_PER_BYTE + pixels * _S_PER_PIXEL + parts.count * _S_PER_PART
    return Cost(pixels, whole_bytes(width, height, at_least, parts, _PIXEL_BYTES), seconds, seconds)


def _sides(kind: bytes, head: bytes) -> tuple[int, int]:
    if kind == b"VP8X" and len(head) >= 10:
        return int.from_bytes(head[4:7], "little") + 1, int.from_bytes(head[7:10], "little") + 1
    if kind == b"VP8L" and len(head) >= 5:
        (bits,) = struct.unpack_from("<I", head, 1)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and len(head) >= 10:
        across, down = struct.unpack_from("<HH", head, 6)
        return across & 0x3FFF, down & 0x3FFF
    return 0, 0
