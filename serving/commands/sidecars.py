"""Sidecars: XMP files beside a photo, in which digiKam, darktable, Lightroom and others keep what they know of it."""

from pathlib import Path

from models.errors import RequestError
from models.limits import ImageLimits
from serving.upright.formats import xmp
from serving.upright.formats.orientation import turned
from serving.upright.photo_file import PhotoFile

_MOST_BYTES = 4 * 1024 * 1024


def sidecar_of(photo: Path) -> Path | None:
    """The photo's sidecar: ``x.jpg.xmp``, else ``x.xmp``; None if it has none."""
    names = (photo.with_name(photo.name + ".xmp"), photo.with_suffix(".xmp"))
    return next((path for path in names if path.is_file()), None)


def told_in(sidecar: Path | None) -> int | None:
    """The orientation that a sidecar tells; None if it tells none, or there is no sidecar.

    Raises:
        OSError: it cannot be read.
        RequestError: it is larger than any sidecar.
    """
    return None if sidecar is None else xmp.orientation(packet_of(sidecar))


def packet_of(sidecar: Path) -> bytes:
    """Reads a sidecar.

    Raises:
        OSError, RequestError: as ``told_in``.
    """
    with sidecar.open("rb") as file:
        packet = file.read(_MOST_BYTES + 1)
    if len(packet) > _MOST_BYTES:
        raise RequestError(f"its sidecar {sidecar.name} has more than {_MOST_BYTES} bytes")
    return packet


def turned_packet(packet: bytes | None, told: int | None, data: bytes, clockwise: int, limits: ImageLimits) -> bytes:
    """A photo's sidecar once the photo is turned.

    Args:
        packet: the sidecar; None: a new one.
        told: the orientation that it tells; None: the photo's own counts.
        data: the photo.
        clockwise: degrees.
        limits: for the photo.

    Raises:
        RequestError: the sidecar has no place for it.
    """
    orientation = turned(PhotoFile.open(data, limits).orientation if told is None else told, clockwise)
    try:
        return xmp.telling(packet, orientation)
    except ValueError as error:
        raise RequestError(f"its sidecar cannot be edited: {error}") from None
