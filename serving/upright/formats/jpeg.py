"""JPEG files: their metadata edited in place, or carried over to newly coded pixels.

Formats: ITU-T T.81, annex B; Exif 2.32, section 4.7; XMP, part 3.
"""

import struct
from collections.abc import Sequence
from itertools import takewhile

from models.cut_off import picture_end
from serving.upright.formats import mpf
from serving.upright.formats.changes import Change, applied, moved
from serving.upright.formats.edit import Edit
from serving.upright.formats.exif import PREFIX, Exif
from serving.upright.formats.segments import SOI, Segment, header

_APP0, _APP1, _APP2, _APP14, _APP15, _COM = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF, 0xFE
_EXIF, _XMP, _ADOBE = PREFIX, b"http://ns.adobe.com/xap/1.0/\0", b"Adobe"
_LONGEST = 0xFFFF - 2


def with_orientation(data: bytes, edit: Edit) -> bytes:
    """Edits the metadata; every other byte of the file stays, and the index of further pictures tells where they are.

    Raises:
        ValueError, struct.error: the metadata is broken, or has no room.
    """
    segments = list(header(data))
    changes = [_edited(one, edit) for one in segments if _is_exif(one) or _is_xmp(one)]
    if not any(map(_is_exif, segments)):
        at = _jfif_end(segments)
        changes.insert(0, Change(at, at, _segment(_APP1, _EXIF + edit.exif(None))))
    file = bytearray(applied(data, changes))
    if pictures := mpf.index(data):
        mpf.with_places(file, pictures, lambda place: moved(place, changes))
    return bytes(file)


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
    rest = coded[picture[-1].end : picture_end(coded)[0]]
    return with_orientation(source + tables + rest, edit) + data[picture_end(data)[0] :]


def heeds_tag(data: bytes) -> bool:
    """Whether browsers heed the orientation as it is told."""
    exif = next(filter(_is_exif, header(data)), None)
    return exif is not None and Exif.of_block(exif.payload).is_plain


def is_whole(data: bytes) -> bool:
    """Whether its end is marked, so that what is missing or follows is known."""
    return picture_end(data)[1]


def holds_several(data: bytes) -> bool:
    """Whether it says that further pictures follow the first: stereo pairs, gain maps, large previews."""
    return any(one.marker == _APP2 and one.payload.startswith(mpf.PREFIX) for one in header(data))


def _edited(one: Segment, edit: Edit) -> Change:
    if _is_xmp(one):
        payload = _XMP + edit.xmp(one.payload.removeprefix(_XMP))
    else:
        payload = _EXIF + edit.exif(one.payload.removeprefix(_EXIF))
    return Change(one.start, one.end, _segment(one.marker, payload))


def _jfif_end(segments: Sequence[Segment]) -> int:
    """Where EXIF belongs: before all segments but JFIF's, which has to be the first."""
    end = len(SOI)
    for one in takewhile(lambda one: one.marker == _APP0, segments):
        end = one.end
    return end


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
