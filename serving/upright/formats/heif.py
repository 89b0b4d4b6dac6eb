"""HEIC and AVIF files, turned by their container: viewers heed its ``irot`` and ``imir``, and overlook EXIF.

A turn is two bits of a property, so nothing moves where it is there; see heif_room.py for files without one.
Format: ISO/IEC 23008-12, sections 6.5.10 and 6.5.12.
"""

import struct
from itertools import islice

from serving.upright.formats import xmp
from serving.upright.formats.boxes import Items, items
from serving.upright.formats.edit import MOST_COPIES
from serving.upright.formats.exif import PREFIX, Exif
from serving.upright.formats.heif_room import with_room
from serving.upright.formats.orientation import UPRIGHT, turned

_TURN, _MIRROR, _EXIF, _MIME = b"irot", b"imir", b"Exif", b"mime"
_TONE_MAP = b"tmap"  # made of the picture and its gain map
_QUARTER = 90


def turned_by(data: bytes, clockwise: int) -> bytes | None:
    """Turns what is shown, with its thumbnail and maps, and the copies of the turn in EXIF and XMP.

    Args:
        data: the file.
        clockwise: degrees, a multiple of 90.

    Returns:
        The file, of the same length if it had a turn; None if it has none that could be changed, nor room for one.

    Raises:
        ValueError, struct.error: its boxes are broken.
    """
    found = items(data)
    shown = _shown_together(found)
    turns = {number for item in shown for number in found.has.get(item, ()) if _kind(found, number) == _TURN}
    own = {number for number in found.has.get(found.primary, ()) if _kind(found, number) == _TURN}
    others = {number for item, has in found.has.items() if item not in shown for number in has}
    if not own and not turns and not _is_mirrored(found, shown):
        roomy = with_room(data, len(found.properties), shown)
        return None if roomy is None else turned_by(roomy, clockwise)
    if not own or turns & others:
        return None
    file = bytearray(data)
    _turn_copies(file, found, clockwise)
    for number in turns:
        at = found.properties[number - 1].start
        file[at] = file[at] & ~3 | (file[at] + _quarters(found, number, clockwise)) & 3
    return bytes(file)


def _is_mirrored(found: Items, shown: set[int]) -> bool:
    """A turn has to come before a mirror (MIAF, ISO/IEC 23000-22, 7.3.6.7), where it would mean another."""
    return any(_kind(found, number) == _MIRROR for item in shown for number in found.has.get(item, ()))


def _shown_together(found: Items) -> set[int]:
    """The picture, and what has it in view: its thumbnail, its depth and gain maps, a picture derived from it."""
    related = {item for item, others in found.belongs_to.items() if found.primary in others}
    related |= {of for item in related if found.kinds.get(item) == _TONE_MAP for of in found.belongs_to[item]}
    return {found.primary, *(item for item in related if found.kinds.get(item) not in (_EXIF, _MIME))}


def _kind(found: Items, number: int) -> bytes:
    return found.properties[number - 1].kind if 0 < number <= len(found.properties) else b""


def _quarters(found: Items, number: int, clockwise: int) -> int:
    """By which the anticlockwise turn grows; where the picture is mirrored after it, the other way round."""
    has = next(has for has in found.has.values() if number in has)
    behind = has[has.index(number) :]
    mirrored = any(_kind(found, other) == _MIRROR for other in behind)
    return (clockwise if mirrored else -clockwise) // _QUARTER


def _turn_copies(file: bytearray, found: Items, clockwise: int) -> None:
    """EXIF and XMP often repeat the container's turn; what says something else is none of ours."""
    has = found.has[found.primary]
    if any(_kind(found, number) == _MIRROR for number in has):
        return
    angle = next(file[found.properties[number - 1].start] & 3 for number in has if _kind(found, number) == _TURN)
    old = turned(UPRIGHT, -angle * _QUARTER)
    told = (item for item in found.places if found.primary in found.belongs_to.get(item, ()))
    for item in islice((item for item in told if found.kinds.get(item) in (_EXIF, _MIME)), MOST_COPIES):
        place = found.places[item]
        content = bytes(file[place.start : place.start + place.size])
        changed = _copy(found.kinds.get(item, b""), content, old, turned(old, clockwise))
        file[place.start : place.start + place.size] = changed


def _copy(kind: bytes, content: bytes, old: int, new: int) -> bytes:
    if kind == _MIME and xmp.orientation(content) == old:
        return xmp.with_orientation(content, new)
    if kind != _EXIF:
        return content
    try:
        start = 4 + struct.unpack_from(">I", content)[0]  # what is before the block is told first
        exif = Exif(content[start:].removeprefix(PREFIX))
        if exif.orientation != old or not exif.is_plain:
            return content
        exif.orientation = new
        return content[: -len(exif.to_bytes())] + exif.to_bytes()
    except (ValueError, struct.error):
        return content
