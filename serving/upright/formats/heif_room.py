"""A turn of nothing for a HEIC or AVIF file that has none, so that there is one to change.

That takes a new property in ``ipco``, and an association with it of each item that is to have it in ``ipma``. What lies
behind them moves by a few bytes, none of which changes, and ``iloc`` tells where it is then.
Format: ISO/IEC 14496-12, sections 8.11.3 and 8.11.14; ISO/IEC 23008-12, section 6.5.10.
"""

import struct
from collections.abc import Collection, Iterator

from serving.upright.formats.boxes import FULL, Box, Entry, Layout, entries, layout, number
from serving.upright.formats.changes import Change, applied, moved

_NO_TURN = struct.pack(">I4sB", 9, b"irot", 0)
_SHORT_HEAD, _MOST_NARROW, _MOST_ASSOCIATIONS = 8, 0x7F, 0xFF
_IN_FILE = 0  # an item's place counts from the file's beginning; other methods' places are in boxes or items
_TELLS_OFFSETS = (b"moov", b"moof", b"sidx")  # of a film beside the picture, which would have to move along


def with_room(data: bytes, properties: int, wanted: Collection[int]) -> bytes | None:
    """Gives items a turn of nothing, the last of their properties.

    Args:
        data: the file.
        properties: how many there are.
        wanted: the items.

    Returns:
        The file, whose picture is shown as before; None if it has no room, or more would have to be said.

    Raises:
        ValueError, struct.error, OverflowError: its boxes are broken, or a place has no room in its field.
    """
    found = layout(data)
    told = [(one, entry) for one in found.ipma for entry in entries(data, one) if entry.item in wanted]
    if {entry.item for _, entry in told} != set(wanted) or len(told) != len(wanted):
        return None
    boxes = [found.meta, found.iprp, found.ipco, *found.ipma]
    if found.outside & set(_TELLS_OFFSETS) or not all(_has_short_head(data, one) for one in boxes):
        return None
    if not all(_has_room(entry, properties + 1) for _, entry in told):
        return None
    inserted = [Change(found.ipco.end, found.ipco.end, _NO_TURN)]
    inserted += [_association(entry, properties + 1) for _, entry in told]
    return _written(data, found, sorted(inserted), [Change(e.at, e.at + 1, bytes([e.properties + 1])) for _, e in told])


def _has_short_head(data: bytes, one: Box) -> bool:
    head = struct.pack(">I4s", one.end - one.start + _SHORT_HEAD, one.kind)
    return data[one.start - _SHORT_HEAD : one.start] == head


def _has_room(entry: Entry, number_of_turn: int) -> bool:
    return entry.properties < _MOST_ASSOCIATIONS and (entry.wide or number_of_turn <= _MOST_NARROW)


def _association(entry: Entry, number_of_turn: int) -> Change:
    """Essential: whoever knows no turns must not show the picture."""
    told = struct.pack(">H", 0x8000 | number_of_turn) if entry.wide else bytes([0x80 | number_of_turn])
    return Change(entry.end, entry.end, told)


def _written(data: bytes, found: Layout, inserted: list[Change], counts: list[Change]) -> bytes:
    sizes = []
    for one in (found.meta, found.iprp, found.ipco, *found.ipma):
        grown = sum(len(change.new) for change in inserted if one.start <= change.start <= one.end)
        size = struct.pack(">I", one.end - one.start + _SHORT_HEAD + grown)
        sizes.append(Change(one.start - _SHORT_HEAD, one.start - 4, size))
    places = list(_places(data, found.iloc, inserted))
    return applied(data, sorted([*inserted, *counts, *sizes, *places]))


def _places(data: bytes, box: Box, inserted: list[Change]) -> Iterator[Change]:
    """What ``iloc`` says of where items are, as it is to be."""
    version, sizes = data[box.start], data[box.start + FULL] << 8 | data[box.start + FULL + 1]
    of_offset, of_length, of_base, of_index = (sizes >> shift & 0xF for shift in (12, 8, 4, 0))
    of_index = of_index if version > 0 else 0
    count, at = number(data, box.start + FULL + 2, wide=version > 1)
    for _ in range(min(count, box.end - at)):
        _, at = number(data, at, wide=version > 1)
        method, at = (data[at + 1] & 0xF, at + 2) if version > 0 else (_IN_FILE, at)
        if data[at : at + 2] != bytes(2):
            raise ValueError("an item lies in another file")
        base_at = at + 2
        base = int.from_bytes(data[base_at : base_at + of_base], "big")
        (extents,) = struct.unpack_from(">H", data, base_at + of_base)
        at = base_at + of_base + 2
        for _ in range(min(extents, box.end - at)):
            field = (at + of_index, of_offset) if of_offset else (base_at, of_base)
            if method == _IN_FILE and (of_offset or extents == 1):
                yield from _place(data, *field, base if of_offset else 0, inserted)
            elif method == _IN_FILE:
                raise ValueError("several pieces of an item have one place")
            at += of_index + of_offset + of_length


def _place(data: bytes, at: int, size: int, base: int, inserted: list[Change]) -> Iterator[Change]:
    offset = int.from_bytes(data[at : at + size], "big")
    by = moved(base + offset, inserted) - base - offset
    if by:
        yield Change(at, at + size, (offset + by).to_bytes(size, "big"))
