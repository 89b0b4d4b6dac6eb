"""What WebP, HEIC and AVIF files cost. Formats: RFC 9649 (WebP); ISO/IEC 23008-12 (HEIF)."""

import struct
from collections.abc import Iterator

from models.cost.cost import Cost, Parts, widened_bytes
from models.limits import ImageLimits, Size

# libwebp's decoder of animations keeps two canvases for still pictures too, and copies one out; all under the
# interpreter's lock. Lossless ones are put together in a fourth copy.
_WEBP_BYTES, _S_PER_WEBP_PIXEL, _S_PER_WEBP_BYTE = 20, 40e-9, 30e-9
_FRAME_BYTES = 256
_HEIF_BYTES, _S_PER_HEIF_PIXEL, _S_PER_HEIF_BYTE = 14, 60e-9, 60e-9
_S_PER_PART = 1e-6
_EXTENT = b"ispe"


def webp(data: bytes, at_least: Size | None, limits: ImageLimits) -> Cost:
    """Estimates a WebP, still or animated.

    Raises:
        ImageTooLargeError: too many pixels or chunks.
    """
    parts, sides, position = Parts(limits), (0, 0), 12
    while position + 8 <= len(data):
        kind, size = struct.unpack_from("<4sI", data, position)
        parts.add()
        found = _webp_sides(kind, data[position + 8 : position + 18])
        sides = max(sides, found, key=lambda one: one[0] * one[1])
        position += 8 + size + size % 2
    return _whole(sides, at_least, limits, parts, _WEBP_BYTES, len(data) * _S_PER_WEBP_BYTE, _S_PER_WEBP_PIXEL)


def heif(data: bytes, at_least: Size | None, limits: ImageLimits) -> Cost:
    """Estimates a HEIC or AVIF by the largest extent of any of its items, as a grid has one too.

    Raises:
        ImageTooLargeError: too many pixels or items.
    """
    parts = Parts(limits)
    extents = []
    for at in _found(data, _EXTENT):
        parts.add()
        extents.append(struct.unpack(">II", data[at + 8 : at + 16].ljust(8, b"\0")))
    sides = max(extents, key=lambda one: one[0] * one[1], default=(0, 0))
    parts.add(data.count(b"infe"))
    return _whole(sides, at_least, limits, parts, _HEIF_BYTES, len(data) * _S_PER_HEIF_BYTE, _S_PER_HEIF_PIXEL)


def _whole(
    sides: tuple[int, int],
    at_least: Size | None,
    limits: ImageLimits,
    parts: Parts,
    pixel_bytes: int,
    coding_s: float,
    s_per_pixel: float,
) -> Cost:
    """Of a decoder that holds the interpreter from the first to the last pixel."""
    width, height = sides
    pixels = width * height
    limits.refuse_pixels(pixels, f"{width} x {height} pixels")
    memory = pixels * pixel_bytes + widened_bytes(width, height, at_least) + parts.count * _FRAME_BYTES
    seconds = coding_s + pixels * s_per_pixel + parts.count * _S_PER_PART
    return Cost(pixels, memory, seconds, seconds)


def _webp_sides(kind: bytes, head: bytes) -> tuple[int, int]:
    if kind == b"VP8X" and len(head) >= 10:
        return int.from_bytes(head[4:7], "little") + 1, int.from_bytes(head[7:10], "little") + 1
    if kind == b"VP8L" and len(head) >= 5:
        (bits,) = struct.unpack_from("<I", head, 1)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and len(head) >= 10:
        across, down = struct.unpack_from("<HH", head, 6)
        return across & 0x3FFF, down & 0x3FFF
    return 0, 0


def _found(data: bytes, wanted: bytes) -> Iterator[int]:
    at = data.find(wanted)
    while at >= 0:
        yield at
        at = data.find(wanted, at + 4)
