"""Text in a PNG that tells an orientation: XMP, and EXIF as ImageMagick wrote it before the format had a chunk for it.

Formats: PNG (third edition), section 11.3.3; XMP, part 3; ImageMagick's ``Raw profile type exif``, whose text is an
empty line, a name, the number of bytes, and these in hexadecimal digits.
"""

import zlib
from collections.abc import Callable
from typing import NamedTuple

from models.errors import ImageTooLargeError
from models.inflation import SwollenError, inflate
from serving.upright.formats.edit import Edit
from serving.upright.formats.exif import PREFIX

_KINDS = (b"tEXt", b"zTXt", b"iTXt")
_XMP, _PROFILES = b"XML:com.adobe.xmp", (b"Raw profile type exif", b"Raw profile type APP1")
_LONGEST = 8 * 1024 * 1024
_DIGITS_IN_LINE = 72


class _Text(NamedTuple):
    """A chunk's keyword, what stands between it and the text, whether the text is packed, and the text."""

    keyword: bytes
    head: bytes
    packed: bool
    text: bytes


def may_tell(kind: bytes, data: bytes) -> bool:
    """Whether a chunk's name is one under which an orientation is told."""
    return kind in _KINDS and data.split(b"\0", 1)[0] in (_XMP, *_PROFILES)


def edited(kind: bytes, data: bytes, edit: Edit) -> bytes:
    """A chunk's data with the orientation in it edited; as it is where it tells none.

    Raises:
        ValueError, zlib.error: it is broken.
        ImageTooLargeError: it unpacks to more than is allowed.
    """
    if kind == b"iTXt" and data.startswith(_XMP + b"\0"):
        return _changed(_read(kind, data), edit.xmp)
    if profile(kind, data) is not None:
        return _changed(_read(kind, data), lambda text: _with_profile(text, edit))
    return data


def profile(kind: bytes, data: bytes) -> bytes | None:
    """The EXIF block in a chunk of text; None where it is none, or cannot be read.

    Raises:
        ImageTooLargeError: as ``edited``.
    """
    if kind not in _KINDS or data.split(b"\0", 1)[0] not in _PROFILES:
        return None
    try:
        block = _block(_read(kind, data).text)
    except (ValueError, zlib.error):
        return None
    return block if block[:2] in (b"II", b"MM") or block.startswith(PREFIX) else None


def _read(kind: bytes, data: bytes) -> _Text:
    keyword = data.split(b"\0", 1)[0]
    start = len(keyword) + 1
    packed = kind == b"zTXt" or (kind == b"iTXt" and data[start] == 1)
    if kind == b"zTXt":
        start += 1  # the method, of which there is one
    elif kind == b"iTXt":  # whether it is packed, and how; a language and a translated keyword
        start = data.index(b"\0", data.index(b"\0", start + 2) + 1) + 1
    text = _inflated(data[start:], "XMP" if keyword == _XMP else "EXIF") if packed else data[start:]
    return _Text(keyword, data[len(keyword) : start], packed, text)


def _changed(one: _Text, change: Callable[[bytes], bytes]) -> bytes:
    text = change(one.text)
    return one.keyword + one.head + (zlib.compress(text) if one.packed else text)


def _block(text: bytes) -> bytes:
    _, _, size, digits = text.split(b"\n", 3)
    return bytes.fromhex(digits.decode("ascii"))[: int(size)]


def _with_profile(text: bytes, edit: Edit) -> bytes:
    _, name, _, _ = text.split(b"\n", 3)
    old = _block(text)
    new = (PREFIX if old.startswith(PREFIX) else b"") + edit.exif(old)
    digits = new.hex().encode()
    lines = [digits[at : at + _DIGITS_IN_LINE] for at in range(0, len(digits), _DIGITS_IN_LINE)]
    return b"\n".join([b"", name, b"%8d" % len(new), *lines, b""])


def _inflated(packed: bytes, what: str) -> bytes:
    try:
        return inflate(packed, _LONGEST)
    except SwollenError:
        raise ImageTooLargeError(f"the image's {what} unpacks to more than the {_LONGEST} bytes allowed") from None
