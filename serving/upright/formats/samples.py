"""What a TIFF's pixels are, and whether they can be turned without losing any of it. Formats: TIFF 6.0; DNG; GeoTIFF.

A TIFF can hold anything, and Pillow, which turns it, knows some of it: it drops further channels, rounds 16 bits to 8,
and never sees a second picture. So only what it is known to keep is turned, and the result is compared.
"""

from collections.abc import Mapping
from typing import NamedTuple, Self

from serving.upright.formats.directories import DIRECTORIES, Reader, Tag

_KIND, _WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _COLOURS, _COUNTS = 254, 256, 257, 258, 262, 277, 279
_PALETTE, _TILE_COUNTS, _EXTRA, _FORMAT, _EXIF, _MAKER_NOTE = 320, 325, 338, 339, 0x8769, 0x927C
_POINTERS = (13, 16, 17, 18)  # types of directories' places, and BigTIFF's, which a plain TIFF cannot hold
_TURNED_ANEW = (*DIRECTORIES, 273, 279, 324, 325)
_ELSEWHERE = {
    330: "further pictures in a directory of their own, such as a raw one",
    37724: "Photoshop's layers",
    50706: "a raw picture (DNG)",
    33550: "a place on the map for its pixels",
    33922: "a place on the map for its pixels",
    34264: "a place on the map for its pixels",
}
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _INDEXED, _YCBCR = 0, 1, 2, 3, 6
_REDUCED, _SAME_SHAPE = 1, 0.03
_UNTOLD_BYTES = 4096  # alignment, and directories that were replaced


class Samples(NamedTuple):
    """Bits, meaning and number of what a pixel consists of."""

    bits: tuple[int, ...]
    photometric: int
    extra: tuple[int, ...]
    formats: tuple[int, ...]
    palette: bytes

    @classmethod
    def of(cls, tags: Mapping[int, Tag]) -> Self:
        """Of a directory's tags; what is not told has TIFF's defaults."""
        told = {number: tag.integers for number, tag in tags.items()}
        count = told.get(_COLOURS, (1,))[0]
        photometric, palette = told.get(_PHOTOMETRIC, (-1,))[0], tags.get(_PALETTE)
        bits, formats = (told.get(tag, (1,)) for tag in (_BITS, _FORMAT))
        bits, formats = (each * count if len(each) == 1 else each for each in (bits, formats))
        return cls(bits, photometric, told.get(_EXTRA, ()), formats, palette.value if palette else b"")

    def becomes(self, other: "Samples") -> bool:
        """Whether nothing is lost where a program reads the one and writes the other, pixel by pixel."""
        if (self.photometric, other.photometric) == (_WHITE_IS_ZERO, _BLACK_IS_ZERO):
            return self.bits in ((1,), (8,)) and self._replace(photometric=_BLACK_IS_ZERO) == other
        if (self.photometric, other.photometric) == (_YCBCR, _RGB):
            return self._replace(photometric=_RGB) == other
        return self == other


def full_pictures(data: bytes) -> int:
    """The number of pictures that a TIFF holds, smaller copies of the first not counted.

    Raises:
        ValueError, struct.error: its directories are broken.
    """
    (_, first), *others = Reader(data).pages()
    return 1 + sum(not _is_reduced(page, first) for _, page in others)


def what_would_be_lost(data: bytes) -> str | None:
    """What a TIFF holds beside the pixels of its first picture that would not turn with them; None if nothing.

    Raises:
        ValueError, struct.error: its directories are broken.
    """
    reader = Reader(data)
    if len(list(reader.pages())) > 1:
        return "a smaller copy of the picture"
    tags = reader.tags(reader.first)
    if found := next((what for number, what in _ELSEWHERE.items() if number in tags), None):
        return found
    if any(tag.type in _POINTERS and tag.number not in _TURNED_ANEW for tag in tags.values()):
        return "further directories"
    if (exif := tags.get(_EXIF)) and _MAKER_NOTE in reader.tags(exif.integers[0]):
        return "a maker's notes, which must stay where they are"
    return "data that no tag tells of" if _untold(data, tags) > _UNTOLD_BYTES else None


def keeps_samples(source: bytes, turned: bytes) -> bool:
    """Whether the samples of a newly coded file can say all that the source's do."""
    return _samples(source).becomes(_samples(turned))


def _samples(data: bytes) -> Samples:
    reader = Reader(data)
    return Samples.of(reader.tags(reader.first))


def _is_reduced(page: Mapping[int, int], first: Mapping[int, int]) -> bool:
    if page.get(_KIND, 0) & _REDUCED:
        return True
    across, down = (page.get(side, 0) / max(first.get(side, 0), 1) for side in (_WIDTH, _HEIGHT))
    return max(across, down) <= 1 / 2 and abs(across - down) <= _SAME_SHAPE


def _untold(data: bytes, tags: Mapping[int, Tag]) -> int:
    """Bytes of the file that are neither pixels nor tags, such as the further slices of a microscope's stack."""
    pixels = sum(sum(tags[number].integers) for number in (_COUNTS, _TILE_COUNTS) if number in tags)
    return len(data) - pixels - sum(len(tag.value) + 20 for tag in tags.values())
