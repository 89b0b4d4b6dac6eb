"""TIFF files: their tags carried over to newly coded pixels. Formats: TIFF 6.0, section 2; BigTIFF."""

import struct

from serving.upright.formats.directories import DIRECTORIES, Reader, Tag
from serving.upright.formats.edit import Edit
from serving.upright.formats.exif import Exif
from serving.upright.formats.orientation import swaps_sides

_RESOLUTIONS = {282: 283, 283: 282}
# How the pixels lie in the file, and where further pictures of it are: these are the new file's own affair.
_LAYOUT = {254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 284, 288, 289, 290, 291, 292, 293}
_LAYOUT |= {317, 320, 322, 323, 324, 325, 338, 339, 347, 512, 513, 514, 515, 517, 518, 519, 520, 521}
_LAYOUT |= {529, 530, 531, 532}
_LONG, _INLINE = 4, 4
_DEEPEST = 2


def with_pixels(data: bytes, coded: bytes, edit: Edit) -> bytes:
    """Gives a newly coded file all tags of the source that are not about how pixels are stored.

    Args:
        data: the source.
        coded: a little-endian TIFF file of one picture, with no more tags than it needs.
        edit: for the source's tags.

    Raises:
        ValueError, struct.error: the source is broken.
    """
    file = bytearray(coded)
    source = Reader(data)
    carried = [tag for tag in source.tags(source.first).values() if tag.number not in _LAYOUT]
    if edit.pixels is not None and swaps_sides(edit.pixels):
        carried = [tag._replace(number=_RESOLUTIONS.get(tag.number, tag.number)) for tag in carried]
    entries = _own_entries(coded) | {tag.number: _entry(file, source, tag) for tag in carried}
    struct.pack_into("<I", file, 4, _write(file, entries))
    return edit.tags(Exif(bytes(file)))


def with_orientation(data: bytes, edit: Edit) -> bytes:
    """Edits the tags; every other byte of the file stays.

    Raises:
        ValueError, struct.error: the tags are broken.
    """
    return edit.tags(Exif(data))


def heeds_tag(data: bytes) -> bool:
    """Whether programs heed the orientation as it is told."""
    return Exif(data).is_plain


def _own_entries(coded: bytes) -> dict[int, bytes]:
    """Each tag's entry as it stands there: what it points at does not move."""
    (directory,) = struct.unpack_from("<I", coded, 4)
    (count,) = struct.unpack_from("<H", coded, directory)
    entries = (coded[at : at + 12] for at in range(directory + 2, directory + 2 + count * 12, 12))
    return {struct.unpack_from("<H", entry)[0]: entry for entry in entries}


def _entry(file: bytearray, source: Reader, tag: Tag, depth: int = 0) -> bytes:
    """Appends the value, where it is long, and the whole directory, where it is one."""
    kind, values, value = tag.type, tag.values, tag.value
    if tag.number in DIRECTORIES and depth < _DEEPEST:
        inner = source.tags(int.from_bytes(value, "little")).values()
        kind, values = _LONG, 1
        value = struct.pack("<I", _write(file, {one.number: _entry(file, source, one, depth + 1) for one in inner}))
    elif len(value) > _INLINE:
        value = struct.pack("<I", _append(file, value))
    return struct.pack("<HHI", tag.number, kind, values) + value.ljust(_INLINE, b"\0")


def _write(file: bytearray, entries: dict[int, bytes]) -> int:
    """Appends a directory; returns where it stands."""
    return _append(file, struct.pack("<H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries)) + bytes(4))


def _append(file: bytearray, data: bytes) -> int:
    file += b"\0" * (len(file) % 2)
    start = len(file)
    file += data
    return start
