"""WebP files: the EXIF and XMP chunks edited. Format: WebP container specification (RFC 9649, section 2)."""

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from serving.upright.formats.edit import Edit, refuse_copies

_HEADER = 12
_EXIF_FLAG, _ALPHA_FLAG = 0x08, 0x10
_PREFIX = b"Exif\0\0"  # some write it as in a JPEG


class Chunk(NamedTuple):
    """One chunk; ``coded`` is all of it, header and padding included."""

    kind: bytes
    data: bytes
    coded: bytes


def with_orientation(data: bytes, edit: Edit) -> bytes:
    """Edits the metadata; every other chunk stays as it is. A plain file becomes an extended one, which can hold EXIF.

    Raises:
        ValueError, struct.error: the file is broken.
    """
    source = list(_chunks(data))
    refuse_copies(sum(one.kind in (b"EXIF", b"XMP ") for one in source))
    chunks = [_edited(one, edit) for one in source]
    if chunks[0].kind != b"VP8X":
        chunks.insert(0, _extended(chunks[0]))
    if not any(one.kind == b"EXIF" for one in chunks):
        at = next((index for index, one in enumerate(chunks) if one.kind == b"XMP "), len(chunks))
        chunks.insert(at, _chunk(b"EXIF", edit.exif(None)))
    chunks[0] = _chunk(b"VP8X", bytes([chunks[0].data[0] | _EXIF_FLAG]) + chunks[0].data[1:])
    return _file(chunks, data)


def with_pixels(data: bytes, coded: bytes, edit: Edit) -> bytes:
    """Puts a file's metadata, edited, around the picture that another file codes."""
    source, picture = list(_chunks(data)), list(_chunks(coded))
    if source[0].kind != b"VP8X":
        return with_orientation(coded, edit)
    head = picture[0] if picture[0].kind == b"VP8X" else _extended(picture[0])
    flags = source[0].data[0] & ~_ALPHA_FLAG | head.data[0] & _ALPHA_FLAG
    pixels = [one for one in picture if one.kind in (b"ALPH", b"VP8 ", b"VP8L")]
    profile = [one for one in source if one.kind == b"ICCP"]
    others = [one for one in source if one.kind not in (b"VP8X", b"ICCP", b"ALPH", b"VP8 ", b"VP8L")]
    extended = _chunk(b"VP8X", bytes([flags]) + head.data[1:])
    return with_orientation(_file([extended, *profile, *pixels, *others], b""), edit)


def heeds_tag(_data: bytes) -> bool:
    """Neither browsers nor ImageMagick heed the orientation, wherever it is told."""
    return False


def is_lossless(data: bytes) -> bool:
    """Whether its pixels are coded without loss."""
    return any(one.kind == b"VP8L" for one in _chunks(data))


def _chunks(data: bytes) -> Iterator[Chunk]:
    position, last = _HEADER, min(len(data), _end(data))
    while position < last:
        kind, size = struct.unpack_from("<4sI", data, position)
        end = position + 8 + size + size % 2
        if position + 8 + size > len(data):
            raise ValueError("a chunk is cut off")
        yield Chunk(kind, data[position + 8 : position + 8 + size], data[position:end])
        position = end


def _end(data: bytes) -> int:
    size: int = struct.unpack_from("<I", data, 4)[0]
    return 8 + size + size % 2


def _extended(picture: Chunk) -> Chunk:
    """The header that a plain file lacks; sizes are stored less 1."""
    if picture.kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", picture.data, 1)
        width, height, alpha = bits & 0x3FFF, bits >> 14 & 0x3FFF, bits >> 28 & 1
    else:
        across, down = struct.unpack_from("<HH", picture.data, 6)
        width, height, alpha = (across & 0x3FFF) - 1, (down & 0x3FFF) - 1, 0
    size = width.to_bytes(3, "little") + height.to_bytes(3, "little")
    return _chunk(b"VP8X", bytes([_ALPHA_FLAG * alpha, 0, 0, 0]) + size)


def _edited(one: Chunk, edit: Edit) -> Chunk:
    if one.kind == b"EXIF":
        prefix = _PREFIX if one.data.startswith(_PREFIX) else b""
        return _chunk(one.kind, prefix + edit.exif(one.data[len(prefix) :]))
    return _chunk(one.kind, edit.xmp(one.data)) if one.kind == b"XMP " else one


def _chunk(kind: bytes, data: bytes) -> Chunk:
    return Chunk(kind, data, struct.pack("<4sI", kind, len(data)) + data + b"\0" * (len(data) % 2))


def _file(chunks: Iterable[Chunk], source: bytes) -> bytes:
    """What follows the container in the source is kept."""
    body = b"WEBP" + b"".join(one.coded for one in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body + (source[_end(source) :] if source else b"")
