"""EXIF: how a picture is to be turned, by what Pillow has found of it; of hostile blocks, nothing is read."""

from typing import Any

from PIL import Image

from models.tiff import Tiff

MOST_ENTRIES = 1000
"""Cameras write under a hundred; Pillow takes 2.5 us of each, in which nobody else has the interpreter."""

_ORIENTATION = 0x0112
_UPRIGHT, _ALL = 1, range(1, 9)
_PREFIX = b"Exif\0\0"
_XMP = ("XML:com.adobe.xmp", "xmp")  # in Pillow's info
_AS_TEXT = "Raw profile type exif"  # of ImageMagick, in PNGs: three lines, and hexadecimal digits


def orientation(image: Image.Image) -> int:
    """By EXIF, 1 to 8; 1 where it cannot be read: bad EXIF does not spoil a good picture.

    XMP has no say, as in browsers: programs that turn a picture's pixels often leave what stands there.
    """
    try:
        if set(_XMP) & image.info.keys():  # Pillow asks that where EXIF tells nothing
            image.info = {key: value for key, value in image.info.items() if key not in _XMP}
            image._exif = None
        if _has_too_many(image.info):
            return _UPRIGHT
        exif = Image.Image.getexif(image)  # a PNG's own would decode its pixels
        value = _whole(exif.get(_ORIENTATION, _UPRIGHT))
    except Exception:
        return _UPRIGHT
    return value if value in _ALL else _UPRIGHT


def _has_too_many(info: dict[Any, Any]) -> bool:
    block = info.get("exif") or bytes.fromhex("".join(info.get(_AS_TEXT, "").split("\n")[3:]))
    file = Tiff.of(block.removeprefix(_PREFIX).removeprefix(_PREFIX))
    return file is not None and file.told(file.first) > MOST_ENTRIES


def _whole(value: Any) -> int:  # noqa: ANN401 - of whatever type a program wrote
    """One SHORT by the standard; some write several, bytes or fractions."""
    first = value[0] if isinstance(value, (tuple, bytes)) else value
    return int(first)
