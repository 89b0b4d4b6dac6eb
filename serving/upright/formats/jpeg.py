"""JPEG files: their metadata edited in place, or carried over to newly coded pixels.

Formats: ITU-T T.81, annex B; Exif 2.32, section 4.7; XMP, part 3.
"""

import struct
from collections.abc import Iterator, Sequence
from itertools import takewhile

from models.cut_off import picture_end
from serving.upright.formats import mpf
from serving.upright.formats.changes import Change, applied, moved
from serving.upright.formats.edit import Edit
from serving.upright.formats.exif import PREFIX, Exif
from serving.upright.formats.mpf import Picture
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
    changes = sorted([*_exif_changes(segments, edit), *(_edited_xmp(one, edit) for one in segments if _is_xmp(one))])
    if not any(map(_is_exif, segments)):
        at = _jfif_end(segments)
        changes.insert(0, Change(at, at, _segment(_APP1, _EXIF + edit.exif(None))))
    file = bytearray(applied(data, changes))
    if pictures := mpf.index(data):
        mpf.with_places(file, pictures, lambda place: moved(place, changes))
    return bytes(file)


def with_pixels(data: bytes, coded: bytes, edit: Edit, *, recoded: bool) -> bytes:
    """Puts a file's metadata, edited, around the picture that another file codes; without what follows in the file.

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
    return with_orientation(source + tables + rest, edit)


def with_further(data: bytes, first: bytes, further: Sequence[tuple[Picture, bytes]]) -> bytes:
    """Puts what follows a file's first picture behind a new one.

    Args:
        data: the source.
        first: what is in the place of its first picture.
        further: those pictures of its index that change, in order, and what is in their place.
    """
    file, places, position = bytearray(first), [(0, len(first))], picture_end(data)[0]
    for one, new in further:
        file += data[position : one.start]
        places.append((len(file), len(new)))
        file += new
        position = one.start + one.size
    return mpf.rewritten(bytes(file) + data[position:], places)


def heeds_tag(data: bytes) -> bool:
    """Whether browsers heed the orientation as it is told."""
    exif = next(filter(_is_exif, header(data)), None)
    return exif is not None and Exif.of_block(exif.payload).is_plain


def is_whole(data: bytes) -> bool:
    """Whether its end is marked, so that what is missing or follows is known."""
    return picture_end(data)[1]


def _edited_xmp(one: Segment, edit: Edit) -> Change:
    return Change(one.start, one.end, _segment(one.marker, _XMP + edit.xmp(one.payload.removeprefix(_XMP))))


def _exif_changes(segments: Sequence[Segment], edit: Edit) -> Iterator[Change]:
    """A block of more than 64 KB goes on in further segments; browsers look into the first alone."""
    blocks = list[list[Segment]]()
    for one in filter(_is_exif, segments):
        if blocks and one.payload[len(_EXIF) :][:2] not in (b"II", b"MM"):
            blocks[-1].append(one)
        else:
            blocks.append([one])
    for first, *further in blocks:
        block = edit.exif(b"".join(one.payload.removeprefix(_EXIF) for one in (first, *further)), _LONGEST - len(_EXIF))
        pieces = (block[at : at + _LONGEST - len(_EXIF)] for at in range(0, len(block), _LONGEST - len(_EXIF)))
        yield Change(first.start, first.end, b"".join(_segment(_APP1, _EXIF + piece) for piece in pieces))
        yield from (Change(one.start, one.end, b"") for one in further)


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
