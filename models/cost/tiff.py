"""What a TIFF costs: its first directory's strips or tiles, and how they are packed. Format: TIFF 6.0, section 8."""

from models.cost.cost import Cost, Parts, widened_bytes
from models.limits import ImageLimits, Size
from models.tiff import Tiff, tile_pixels

_WIDTH, _LENGTH, _DEPTH, _COMPRESSION, _SAMPLES, _ROWS, _PLANES, _ORIENTATION = 256, 257, 258, 259, 277, 278, 284, 274
_INNER = frozenset({0x8769, 0x8825, 0xA005})  # Exif, GPS, interoperability: directories that Pillow reads too
_UNREAD = frozenset({301})  # the transfer function, as many values as there are grey levels
_BYTES = frozenset({1, 2, 6, 7})
_RAW = (0, 1)
_SLOW = {34925: 15, 50000: 2, 50001: 10, 34887: 5}  # LZMA, Zstandard, WebP, LERC; against LZW and deflate

_S_PER_PART, _S_PER_STRIP, _S_PER_RAW_BYTE, _S_PER_PIXEL = 3e-6, 8e-6, 8e-9, 20e-9
_S_PER_COPIED_BYTE, _S_PER_COPIED_PIXEL = 1e-9, 8e-9


def cost(data: bytes, at_least: Size | None, limits: ImageLimits) -> Cost:
    """Estimates a TIFF's first picture. A tag that is there twice counts with its largest value.

    Raises:
        ImageTooLargeError: too many pixels, in the picture or in one tile, or too many strips or tags.
    """
    file, parts = Tiff.of(data), Parts(limits)
    if file is None:
        return Cost()
    found = _first_directory(file, parts)
    width, height = found.get(_WIDTH, 0), found.get(_LENGTH, 0)
    pixels, tile = width * height, tile_pixels(data)
    limits.refuse_pixels(pixels, f"{width} x {height} pixels")
    limits.refuse_pixels(tile, "a tile of more pixels than the image")
    depth, samples = found.get(_DEPTH, 1), max(1, found.get(_SAMPLES, 1))
    rows = min(found.get(_ROWS, height) or height, height)
    strips = -(-height // rows) * (samples if found.get(_PLANES) == 2 else 1) if rows else 0
    parts.add(0 if tile else strips)
    raw = pixels * depth * samples // 8
    memory = _stored_bytes(pixels, depth, samples) * (2 if found.get(_ORIENTATION, 1) > 1 else 1)
    memory += widened_bytes(width, height, at_least)
    held = parts.count * _S_PER_PART
    if found.get(_COMPRESSION, 1) in _RAW:
        held += strips * _S_PER_STRIP
        return Cost(pixels, memory, raw * _S_PER_COPIED_BYTE + pixels * _S_PER_COPIED_PIXEL + held, held)
    memory += max(tile, width * rows) * (4 + depth * samples // 8)  # libtiff unpacks whole blocks
    seconds = (raw * _S_PER_RAW_BYTE + pixels * _S_PER_PIXEL) * _SLOW.get(found[_COMPRESSION], 1)
    return Cost(pixels, memory, seconds + held, held)


def _first_directory(file: Tiff, parts: Parts) -> dict[int, int]:
    """The tags' first values; what Pillow makes objects of is counted."""
    found = dict[int, int]()
    for entry in file.entries(file.first):
        value = file.integer(entry)
        found[entry.tag] = max(found.get(entry.tag, 0), value)
        parts.add(1 if entry.kind in _BYTES or entry.tag in _UNREAD else max(1, entry.values))
        if entry.tag in _INNER:
            for _ in file.entries(value):
                parts.add()
    return found


def _stored_bytes(pixels: int, depth: int, samples: int) -> int:
    """In Pillow's memory."""
    if samples == 1 and depth <= 16:
        return pixels * (1 if depth <= 8 else 2)
    return pixels * 4
