"""JPEG files: their metadata edited in place, or carried over to newly coded pixels.

Formats: ITU-T T.81, annex B; Exif 2.32, section 4.7; XMP, part 3.
"""

import re
import struct

from serving.upright.formats.edit import Edit
from serving.upright.formats.exif import NEW
from serving.upright.formats.segments import SOI, Segment, header

_EOI = 0xD9
_APP0, _APP1, _APP2, _APP14, _APP15, _COM = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF, 0xFE
_EXIF, _XMP, _ADOBE, _SEVERAL = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"Adobe", b"MPF\0"
_LONGEST = 0xFFFF - 2
_IN_SCAN = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")  # stuffed bytes and restarts belong to the scan


def with_orientation(data: bytes, edit: Edit) -> bytes:
    """Edits the metadata; every other byte of the file stays.

    Raises:
        ValueError, struct.error: the metadata is broken, or has no room.
    """
    if not any(map(_is_exif, header(data))):
        data = _with_empty_exif(data)
    segments = list(header(data))
    exif = next(filter(_is_exif, segments))
    parts, position = list[bytes](), 0
    for one in segments:
        if one is exif or _is_xmp(one):
            parts += [data[position : one.start], _segment(one.marker, _edited(one.payload, edit))]
            position = one.end
    return b"".join([*parts, data[position:]])


def with_pixels(data: bytes, coded: bytes, edit: Edit, *, recoded: bool) -> bytes:
    """Puts a file's metadata, edited, and what follows its picture around the picture that another file codes.

    Args:
        data: the source.
        coded: a JPEG file; of its own metadata nothing is used.
        edit: for the source's metadata.
        recoded: whether the colours were coded anew, so that ``coded`` knows best how (Adobe's segment).
    """
    others = [one for one in header(data) if _is_metadata(one) and not (recoded and _is_adobe(one))]
    source = b"".join([SOI, *(data[one.start : one.end] for one in others)])
    picture = [one for one in header(coded) if not _is_metadata(one) or (recoded and _is_adobe(one))]
    tables = b"".join(coded[one.start : one.end] for one in picture)
    rest = coded[picture[-1].end : _picture_end(coded)]
    return with_orientation(source + tables + rest, edit) + data[_picture_end(data) :]


def holds_several(data: bytes) -> bool:
    """Whether it says that further pictures follow the first: stereo pairs, gain maps, large previews."""
    return any(one.marker == _APP2 and one.payload.startswith(_SEVERAL) for one in header(data))


def _picture_end(data: bytes) -> int:
    """Where what follows the picture begins, such as the film of a motion photo."""
    position = [one.end for one in header(data)][-1]
    while found := _IN_SCAN.search(data, position):
        if found[1][0] == _EOI:
            return found.end()
        position = found.end() + struct.unpack_from(">H", data, found.end())[0]
    return len(data)


def _edited(payload: bytes, edit: Edit) -> bytes:
    if payload.startswith(_XMP):
        return _XMP + edit.xmp(payload.removeprefix(_XMP))
    return _EXIF + edit.exif(payload.removeprefix(_EXIF))


def _with_empty_exif(data: bytes) -> bytes:
    """Before all segments but JFIF's, which has to be the first."""
    at = next(one.start for one in header(data) if one.marker != _APP0)
    return data[:at] + _segment(_APP1, _EXIF + NEW) + data[at:]


def _segment(marker: int, payload: bytes) -> bytes:
    if len(payload) > _LONGEST:
        raise ValueError("there is no room for another tag")
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def _is_exif(one: Segment) -> bool:
    return one.marker == _APP1 and one.payload.startswith(_EXIF)


def _is_xmp(one: Segment) -> bool:
    return one.marker == _APP1 and one.payload.startswith(_XMP)


def _is_adobe(one: Segment) -> bool:
    return one.marker == _APP14 and one.payload.startswith(_ADOBE)


def _is_metadata(one: Segment) -> bool:
    return _APP0 <= one.marker <= _APP15 or one.marker == _COM
