"""PNG files: the eXIf chunk and XMP edited; other chunks carried over. Format: PNG (third edition), section 5."""

import struct
import zlib
from collections.abc import Iterable, Iterator
from itertools import takewhile
from typing import NamedTuple

from serving.upright.formats import png_text
from serving.upright.formats.edit import Edit, refuse_copies
from serving.upright.formats.exif import Exif
from serving.upright.formats.orientation import swaps_sides

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIXELS = {b"IDAT", b"iDOT"}  # the second is Apple's, and tells how far from it the middle of the first lies
_CODED = {b"IHDR", b"PLTE", b"tRNS", b"IEND"} | _PIXELS
_OF_SAMPLES = {b"bKGD", b"sBIT", b"hIST"}  # they count in the samples' depth and palette
_EXIF = b"eXIf"
_DEEP, _GREY = 16, 0


class Chunk(NamedTuple):
    """One chunk; ``coded`` is all of it, length and checksum included."""

    kind: bytes
    data: bytes
    coded: bytes


def with_orientation(data: bytes, edit: Edit) -> bytes:
    """Edits the metadata; every other chunk stays as it is.

    EXIF comes to stand before the pixels, as browsers overlook it behind them. Where there is none but in text, as old
    programs wrote it, that is kept up to date and copied.

    Raises:
        ValueError, struct.error, zlib.error: the metadata is broken.
        ImageTooLargeError: it unpacks to more than is allowed.
    """
    source = list(_chunks(data))
    refuse_copies(sum(one.kind == _EXIF or png_text.may_tell(one.kind, one.data) for one in source))
    chunks = [_chunk(one.kind, edit.exif(one.data)) if one.kind == _EXIF else _edited(one, edit) for one in source]
    first = next(index for index, one in enumerate(chunks) if one.kind in _PIXELS)
    before, behind = chunks[:first], chunks[first:]
    if not any(one.kind == _EXIF for one in before):
        late = next((one for one in behind if one.kind == _EXIF), None)
        before.append(late or _chunk(_EXIF, edit.exif(_told_in_text(source))))
    return _file([*before, *(one for one in behind if one.kind != _EXIF)], data)


def heeds_tag(data: bytes) -> bool:
    """Whether browsers heed the orientation as it is told: in a chunk before the pixels."""
    before = takewhile(lambda one: one.kind != b"IDAT", _chunks(data))
    block = next((one.data for one in before if one.kind == _EXIF), None)
    return block is not None and Exif.of_block(block).is_plain


def with_pixels(data: bytes, coded: bytes, edit: Edit) -> bytes:
    """Puts a file's metadata, edited, around the picture that another file codes."""
    source, picture = list(_chunks(data)), list(_chunks(coded))
    same_samples = source[0].data[8:10] == picture[0].data[8:10]
    kept = [one for one in source if one.kind not in _CODED and (same_samples or one.kind not in _OF_SAMPLES)]
    palette = [one for one in picture if one.kind in (b"PLTE", b"tRNS")]
    before = [one for one in kept if one.kind in (b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP", b"sBIT")]
    after = [one for one in kept if one not in before]
    if edit.pixels is not None and swaps_sides(edit.pixels):
        after = [_with_sides_swapped(one) for one in after]
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
    told = png_text.edited(one.kind, one.data, edit)
    return one if told == one.data else _chunk(one.kind, told)


def _told_in_text(chunks: Iterable[Chunk]) -> bytes | None:
    blocks = (png_text.profile(one.kind, one.data) for one in chunks)
    return next((block for block in blocks if block is not None), None)


def _with_sides_swapped(one: Chunk) -> Chunk:
    """Pixels that are no squares lie across then."""
    if one.kind != b"pHYs":
        return one
    across, down, unit = struct.unpack(">IIB", one.data)
    return _chunk(one.kind, struct.pack(">IIB", down, across, unit))


def _chunk(kind: bytes, data: bytes) -> Chunk:
    coded = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return Chunk(kind, data, coded)


def _file(chunks: Iterable[Chunk], source: bytes) -> bytes:
    """What follows the last chunk of the source is kept."""
    total = len(_SIGNATURE) + sum(len(one.coded) for one in _chunks(source))
    return b"".join([_SIGNATURE, *(one.coded for one in chunks), source[total:]])
