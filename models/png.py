"""PNG files: their metadata without their pixels. Format: PNG (third edition), section 5."""

import struct
import zlib

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_ABOUT_EXIF = frozenset({b"eXIf", b"iTXt", b"tEXt", b"zTXt"})


def is_png(data: bytes) -> bool:
    """Whether the bytes start as a PNG does."""
    return data.startswith(_SIGNATURE)


def without_pixels(data: bytes) -> bytes:
    """A PNG of the same header and texts, all of which stand before pixels that are not there.

    A PNG may tell its orientation behind its pixels, and Pillow decodes these to get there.
    """
    parts, position = [_SIGNATURE], len(_SIGNATURE)
    while position + 12 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        if kind == b"IHDR" or kind in _ABOUT_EXIF:
            parts.append(_chunk(kind, data[position + 8 : position + 8 + size]))
        elif kind == b"IEND":
            break
        position += 12 + size
    return b"".join([*parts, _chunk(b"IDAT", b"")])


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
