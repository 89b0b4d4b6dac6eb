"""What GIF and BMP files cost. Formats: GIF89a; BITMAPINFOHEADER and its kin."""

import struct

from models.cost.cost import Cost, Parts, widened_bytes
from models.limits import ImageLimits, Size

_EXTENSION, _FRAME, _PALETTE_FLAG = 0x21, 0x2C, 0x80
_GATHERED = 4096  # Pillow joins a comment's blocks one by one: so many bytes moved count as one part
_GIF_BYTES, _S_PER_GIF_PIXEL, _S_PER_BLOCK = 2, 20e-9, 2e-6
_S_PER_BMP_PIXEL = 5e-9
# Run lengths are undone in Python, which also fills rows up pixel by pixel.
_RUN_LENGTHS, _S_PER_RUN, _S_PER_FILLED = (1, 2), 0.4e-6, 60e-9


def gif(data: bytes, at_least: Size | None, limits: ImageLimits) -> Cost:
    """Estimates a GIF's first frame, and the extensions before it.

    Raises:
        ImageTooLargeError: too many pixels or blocks.
    """
    parts = Parts(limits)
    width, height, flags = struct.unpack_from("<HHB", data.ljust(13, b"\0"), 6)
    position = 13 + (3 << (flags & 7) + 1 if flags & _PALETTE_FLAG else 0)
    while position < len(data):
        parts.add()
        if data[position] == _FRAME:
            left, top, across, down = struct.unpack("<HHHH", data[position + 1 : position + 9].ljust(8, b"\0"))
            width, height = max(width, left + across), max(height, top + down)
            break
        position = _extension_end(data, position + 2, parts) if data[position] == _EXTENSION else position + 1
    limits.refuse_pixels(width * height, f"{width} x {height} pixels")
    pixels, held = width * height, parts.count * _S_PER_BLOCK
    memory = pixels * _GIF_BYTES + widened_bytes(width, height, at_least)
    return Cost(pixels, memory, pixels * _S_PER_GIF_PIXEL + held, held)


def _extension_end(data: bytes, position: int, parts: Parts) -> int:
    gathered = 0
    while position < len(data) and (size := data[position]):
        gathered += size
        parts.add(1 + gathered // _GATHERED)
        position += 1 + size
    return position + 1


def bmp(data: bytes, at_least: Size | None, limits: ImageLimits) -> Cost:
    """Estimates a BMP.

    Raises:
        ImageTooLargeError: too many pixels, or colours in its palette.
    """
    head = data[:54].ljust(54, b"\0")
    (size,) = struct.unpack_from("<I", head, 14)
    if size == 12:
        width, height, _, depth = struct.unpack_from("<HHHH", head, 18)
        compression = colours = 0
    else:
        width, height, _, depth, compression, _, _, _, colours = struct.unpack_from("<IiHHIIiiI", head, 18)
    pixels = width * abs(height)
    limits.refuse_pixels(pixels, f"{width} x {abs(height)} pixels")
    parts = Parts(limits)
    parts.add(colours if depth <= 8 else 0)
    memory = widened_bytes(width, abs(height), at_least) + pixels * (1 if depth <= 8 else 4)
    seconds, held = pixels * _S_PER_BMP_PIXEL, parts.count * 1e-6
    if compression in _RUN_LENGTHS:
        held += len(data) / 2 * _S_PER_RUN + pixels * _S_PER_FILLED
        memory += 2 * pixels
    return Cost(pixels, memory, seconds + held, held)
