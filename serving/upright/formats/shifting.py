"""A tag put into the first directory of an EXIF block that has no room at its end: what is behind it moves.

A JPEG's segment holds 64 KB of EXIF. What is more goes into a second one, where browsers do not look; so the tag has to
stand in the first, as exiftool has it. Offsets are set right; those in a maker's notes nobody knows: these must stay.
"""

import struct
from collections.abc import Iterator

_POINTERS = (0x014A, 0x8769, 0x8825, 0xA005)  # to further directories
_THUMBNAIL, _MAKER_NOTE = 0x0201, 0x927C
_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_ENTRY, _INLINE, _MOST_DIRECTORIES = 12, 4, 32


def with_entry(block: bytes, order: str, entry: bytes) -> bytes:
    """Puts an entry into the first directory, in the order of the tags.

    Args:
        block: of classic TIFF, with no such tag in its first directory.
        order: its byte order, as ``struct`` has it.
        entry: twelve bytes.

    Raises:
        ValueError, struct.error: it is broken, or has a maker's notes.
    """
    (first,) = struct.unpack_from(order + "I", block, 4)
    (count,) = struct.unpack_from(order + "H", block, first)
    places = range(first + 2, first + 2 + count * _ENTRY, _ENTRY)
    (tag,) = struct.unpack_from(order + "H", entry)
    at = next((place for place in places if struct.unpack_from(order + "H", block, place)[0] > tag), places.stop)
    file = bytearray(block[:at] + entry + block[at:])
    struct.pack_into(order + "H", file, first, count + 1)
    for place in _offsets(block, order, first, set()):
        (value,) = struct.unpack_from(order + "I", block, place)
        moved = place + _ENTRY if place >= at else place
        struct.pack_into(order + "I", file, moved, value + _ENTRY if value >= at else value)
    return bytes(file)


def _offsets(block: bytes, order: str, directory: int, seen: set[int]) -> Iterator[int]:
    """Yields where offsets stand, in a directory, those in it, and the next one; each once."""
    if directory in seen:
        return
    seen.add(directory)
    if len(seen) > _MOST_DIRECTORIES:
        raise ValueError(f"it has more than {_MOST_DIRECTORIES} directories")
    (count,) = struct.unpack_from(order + "H", block, directory)
    for place in range(directory + 2, directory + 2 + count * _ENTRY, _ENTRY):
        tag, kind, values = struct.unpack_from(order + "HHI", block, place)
        long = values * _BYTES.get(kind, 0) > _INLINE
        if tag == _MAKER_NOTE and len(seen) > 1:
            raise ValueError("there is no room for another tag, and a maker's notes that must not move")
        if long or tag in (*_POINTERS, _THUMBNAIL):
            yield place + 8
        if tag in _POINTERS and not long:
            yield from _offsets(block, order, struct.unpack_from(order + "I", block, place + 8)[0], seen)
    following = directory + 2 + count * _ENTRY
    if following + _INLINE <= len(block):
        yield following
        (after,) = struct.unpack_from(order + "I", block, following)
        if after:
            yield from _offsets(block, order, after, seen)
