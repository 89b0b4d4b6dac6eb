"""XMP's orientation (``tiff:Orientation``): in photos a copy of EXIF's, kept consistent; in sidecars what is told."""

import re

_ORIENTATION = re.compile(rb"""(\btiff:Orientation(?:\s*=\s*["']|\s*>\s*))([1-8])(?=\s*["'<])""")
_DESCRIPTION = re.compile(rb"<rdf:Description\b([^>]*?)(/?>)", re.DOTALL)
_NAMESPACE = b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/"'
_NEW = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    b' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
    b'  <rdf:Description rdf:about=""/>\n </rdf:RDF>\n</x:xmpmeta>\n'
)


def orientation(packet: bytes) -> int | None:
    """What the packet tells first; None if nothing."""
    told = _ORIENTATION.search(packet)
    return int(told[2]) if told else None


def with_orientation(packet: bytes, orientation: int) -> bytes:
    """Writes the orientation wherever the packet has one, as attribute or element: one byte, so its length stays."""
    return _ORIENTATION.sub(rb"\g<1>%d" % orientation, packet)


def telling(packet: bytes | None, orientation: int) -> bytes:
    """A packet that tells this orientation: edited, added to, or new.

    Raises:
        ValueError: it has no place for it.
    """
    packet = _NEW if packet is None else packet
    if _ORIENTATION.search(packet):
        return with_orientation(packet, orientation)
    place = _DESCRIPTION.search(packet)
    if place is None:
        raise ValueError("it describes nothing")
    namespace = b"" if b"xmlns:tiff=" in place[1] else b" " + _NAMESPACE
    at = place.end(1)
    return packet[:at] + namespace + b' tiff:Orientation="%d"' % orientation + packet[at:]
