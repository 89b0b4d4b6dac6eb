"""HEIC and AVIF, which are read with the extra ``heif``; neither is registered with Pillow, so nothing else changes.

HEIC is libheif's, through pillow-heif; AVIF is Pillow's own. In both the container says how the picture is turned
(``irot``, ``imir``), and EXIF has no say (ISO/IEC 23008-12): so it is hidden from both. Pillow would write it anew
where it says something else than the container, which took 1.9 s for 65,000 entries.
"""

import re
import struct
import threading
from importlib.util import find_spec
from io import BytesIO
from typing import Any

from PIL import Image
from PIL.AvifImagePlugin import AvifImageFile

from models.errors import UnsupportedImageError

_AVIF = frozenset({b"avif", b"avis"})
_HEIC = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_ALL = _AVIF | _HEIC
_MOST_BRANDS = 64
_HAS_EXIF = re.compile(rb"(infe.{7,19}?)Exif", re.DOTALL)  # between them a size, version, flags and two numbers

# An AVIF may announce a small picture and hold a large one; Pillow gives its decoder no limit but 16,384 x 16,384,
# which took 570 MB. One at a time, on all cores, bounds that for the process. libheif refuses such files.
_one_avif = threading.Lock()


def is_heif(data: bytes) -> bool:
    """Whether the bytes start as a HEIC or AVIF file does."""
    return not _brands(data).isdisjoint(_ALL)


def reads_heif() -> bool:
    """Whether the extra is installed."""
    return find_spec("pillow_heif") is not None


def open_heif(data: bytes) -> Image.Image:
    """Reads the header of a file that ``is_heif``.

    Raises:
        UnsupportedImageError: the extra is not installed.
        SyntaxError: the header is broken.
    """
    if not reads_heif():
        raise UnsupportedImageError("HEIC and AVIF images need the extra `heif`, which is not installed")
    file = BytesIO(_HAS_EXIF.sub(rb"\1none", data))
    if not _brands(data).isdisjoint(_AVIF):
        return _Avif(file)
    from pillow_heif import HeifImageFile

    return HeifImageFile(file)  # type: ignore[no-untyped-call]


class _Avif(AvifImageFile):
    def _open(self) -> None:
        super()._open()
        self.info.pop("xmp", None)  # Pillow would take an orientation from there if the container tells none

    def load(self) -> Any:  # noqa: ANN401 - the stubs give its type no name
        if not self.tile:  # it is decoded
            return super().load()
        with _one_avif:
            return super().load()


def _brands(data: bytes) -> frozenset[bytes]:
    """The major brand and the compatible ones: ``mif1`` may stand before either codec's."""
    if data[4:8] != b"ftyp":
        return frozenset()
    (size,) = struct.unpack(">I", data[:4])
    listed = data[8 : min(size, 8 + 4 * _MOST_BRANDS)]
    return frozenset(listed[start : start + 4] for start in (0, *range(8, len(listed), 4)))
