"""JPEGs that end too early: cameras, cards and copies leave out the end marker, or the last lines with it.

Viewers show what is there. So does Loupe, if that is nearly all of the picture. Format: ITU-T T.81, annex B.
"""

import random
from collections.abc import Iterator
from io import BytesIO
from itertools import islice

import numpy as np
from PIL import Image

from models.cost.jpeg import next_marker

ENOUGH = 0.95
"""The share of a picture's lines that have to be there."""

_SOI, _EOI, _SOS, _FRAMES = b"\xff\xd8", b"\xff\xd9", 0xDA, (0xC0, 0xC1, 0xC2, 0xC9, 0xCA)
_KNOWN = {*range(0xC0, 0xD0), *range(0xDA, 0xDE), *range(0xE0, 0xF0), 0xFE}  # what a length follows
_MOST_SEGMENTS = 1000  # cameras write about fifty
_FILLER = random.Random(0).randbytes(4096).replace(b"\xff", b"\0")  # noqa: S311 - any bytes but markers will do


def picture_end(data: bytes) -> tuple[int, bool]:
    """Where a JPEG's picture ends, and whether an end marker says so; else where no more of it can follow."""
    end = len(_SOI)
    for marker, start, end in _segments(data):
        if marker not in _KNOWN:
            return (end, True) if marker == _EOI[1] else (start, False)
    return max(end, len(data)), False


def completed(data: bytes, draft: tuple[int, int] | None) -> tuple[Image.Image, float] | None:
    """Opens a JPEG that cannot be decoded as it is, with the end marker that it lacks.

    Args:
        data: the file.
        draft: as for ``Image.draft``.

    Returns:
        The picture, and the share of its lines that are really there; None if it does not lack that marker, or if it
        lacks whole scans: then some of every line is missing.
    """
    end, marked = picture_end(data)
    if marked or not _has_all_scans(data[:end]):
        return None
    image = _opened(data[:end] + _EOI, draft)
    fine = "progressive" in image.info  # a small copy of such a picture may be whole where the picture is not
    return image, _share(data[:end], None if fine else draft)


def _share(data: bytes, draft: tuple[int, int] | None) -> float:
    """Decoders make something of what is missing; where that is, other bytes make something else."""
    one, other = (np.asarray(_opened(data + more + _EOI, draft)) for more in (b"", _FILLER))
    differing = np.flatnonzero((one != other).reshape(len(one), -1).any(axis=1))
    return float(differing[0] / len(one)) if len(differing) else 1.0


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yields each marker, where it stands, and where what belongs to it ends; the coded scans lie between."""
    position = len(_SOI)
    while (found := next_marker(data, position)) is not None:
        (marker, position), start = found, found[1] - len(_SOI)
        if marker in _KNOWN and position + 2 <= len(data):
            position += int.from_bytes(data[position : position + 2], "big")
        yield marker, start, position


def _has_all_scans(data: bytes) -> bool:
    """Whether scans of every coefficient of every colour have begun, down to its last bit."""
    colours, exact = 0, set[tuple[int, int]]()
    for marker, start, end in islice(_segments(data), _MOST_SEGMENTS):
        payload = data[start + 4 : end]
        if marker in _FRAMES:
            colours = payload[5]
        elif marker == _SOS and payload[-1] & 0xF == 0:
            numbers, first, last = payload[1 : 1 + 2 * payload[0] : 2], payload[-3], payload[-2]
            exact |= {(number, k) for number in numbers for k in range(first, min(last, 63) + 1)}
    return colours > 0 and len(exact) == 64 * colours


def _opened(data: bytes, draft: tuple[int, int] | None) -> Image.Image:
    image = Image.open(BytesIO(data), formats=["JPEG"])
    if draft is not None:
        image.draft(None, draft)
    image.load()
    return image
