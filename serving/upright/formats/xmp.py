"""XMP's copy of the orientation (``tiff:Orientation``), kept consistent with EXIF's."""

import re

_ORIENTATION = re.compile(rb"""(\btiff:Orientation(?:\s*=\s*["']|\s*>\s*))([1-8])(?=\s*["'<])""")


def orientation(packet: bytes) -> int | None:
    """What the packet tells first; None if nothing."""
    told = _ORIENTATION.search(packet)
    return int(told[2]) if told else None


def with_orientation(packet: bytes, orientation: int) -> bytes:
    """Writes the orientation wherever the packet has one, as attribute or element: one byte, so its length stays."""
    return _ORIENTATION.sub(rb"\g<1>%d" % orientation, packet)
