"""PNG files: the eXIf chunk and XMP edited; other chunks carried over. Format: PNG (third edition), section 5."""

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from models.errors import ImageTooLargeError
from models.inflation import SwollenError, inflate
from serving.upright.formats.edit import Edit

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CODED = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
_OF_SAMPLES = {b"bKGD", b"sBIT", b"hIST"}  # they count in the samples' depth and palette
_XMP = b"XML:com.adobe.xmp\0"
_DEEP, _GREY = 16, 0
_LONGEST_XMP = 8 * 1024 * 1024


class Chunk(NamedTuple):
    """One chunk; ``coded`` is all of it, length and checksum included."""

    kind: bytes
    data: bytes
    coded: bytes


def with_orientation(data: bytes, edit: Edit) -> bytes:
    """Edits the metadata; every other chunk stays as it is.

    Raises:
        ValueError, struct.error, zlib.error: the metadata is broken.
        ImageTooLargeError: it unpacks to more than is allowed.
    """
    chunks = list(_chunks(data))
    if not any(one.kind == b"eXIf" for one in chunks):
        at = next(index for index, one in enumerate(chunks) if one.kind == b"IDAT")
        chunks.insert(at, _chunk(b"eXIf", edit.exif(None)))
        return _file((one if one.kind == b"eXIf" else _edited(one, edit) for one in chunks), data)
    return _file((_edited(one, edit) for one in chunks), data)


def with_pixels(data: bytes, coded: bytes, edit: Edit) -> bytes:
    """Puts a file's metadata, edited, around the picture that another file codes."""
    source, picture = list(_chunks(data)), list(_chunks(coded))
    same_samples = source[0].data[8:10] == picture[0].data[8:10]
    kept = [one for one in source if one.kind not in _CODED and (same_samples or one.kind not in _OF_SAMPLES)]
    palette = [one for one in picture if one.kind in (b"PLTE", b"tRNS")]
    before = [one for one in kept if one.kind in (b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP", b"sBIT")]
    after = [one for one in kept if one not in before]
    pixels = [one for one in picture if one.kind == b"IDAT"]
    return with_orientation(_file([picture[0], *before, *palette, *after, *pixels, picture[-1]], data), edit)


def is_deep_colour(data: bytes) -> bool:
    """Whether it has more than 8 bits a channel in several channels, which Pillow would round."""
    depth, colour = next(_chunks(data)).data[8:10]
    return depth == _DEEP and colour != _GREY


def _chunks(data: bytes) -> Iterator[Chunk]:
    position = len(_SIGNATURE)
    while position < len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + size
        if end > len(data):
            raise ValueError("a chunk is cut off")
        yield Chunk(kind, data[position + 8 : end - 4], data[position:end])
        position = end
        if kind == b"IEND":
            return


def _edited(one: Chunk, edit: Edit) -> Chunk:
    if one.kind == b"eXIf":
        return _chunk(one.kind, edit.exif(one.data))
    if one.kind == b"iTXt" and one.data.startswith(_XMP):
        return _chunk(one.kind, _edited_xmp(one.data, edit))
    return one


def _edited_xmp(data: bytes, edit: Edit) -> bytes:
    """The packet stands behind two empty strings, a language and a translated keyword, and may be compressed."""
    compressed = data[len(_XMP)]
    start = data.index(b"\0", data.index(b"\0", len(_XMP) + 2) + 1) + 1
    packet = _inflated(data[start:]) if compressed else data[start:]
    edited = edit.xmp(packet)
    if edited == packet:
        return data
    return data[:start] + (zlib.compress(edited) if compressed else edited)


def _inflated(packet: bytes) -> bytes:
    try:
        return inflate(packet, _LONGEST_XMP)
    except SwollenError:
        raise ImageTooLargeError(f"the image's XMP unpacks to more than the {_LONGEST_XMP} bytes allowed") from None


def _chunk(kind: bytes, data: bytes) -> Chunk:
    coded = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return Chunk(kind, data, coded)


def _file(chunks: Iterable[Chunk], source: bytes) -> bytes:
    """What follows the last chunk of the source is kept."""
    total = len(_SIGNATURE) + sum(len(one.coded) for one in _chunks(source))
    return b"".join([_SIGNATURE, *(one.coded for one in chunks), source[total:]])
