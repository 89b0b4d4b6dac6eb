"""Cost: the memory and the time that one picture takes to be decoded, told before a pixel is."""

from typing import NamedTuple

from models.errors import ImageTooLargeError
from models.limits import MEGAPIXEL, ImageLimits, Size

STRIP_PIXELS = MEGAPIXEL
"""Pictures are widened to RGB in strips of about so many pixels."""

ENOUGH = 6
"""A picture is reduced while it is widened, to no less than so many times the wanted size on either side."""

_STRIP_BYTES = 16 * STRIP_PIXELS  # of the copies that one strip goes through
_RGB = 4  # bytes of a pixel in Pillow's mode RGB
_PART_BYTES = 256


class Cost(NamedTuple):
    """What decoding takes at most, beyond the encoded file.

    Attributes:
        pixels: of the whole picture as it is stored.
        bytes: memory.
        seconds: of one core; measured on an AMD EPYC.
        held_s: of them, in which no other thread of the process can run Python.
    """

    pixels: int = 0
    bytes: int = 0
    seconds: float = 0
    held_s: float = 0


class Parts:
    """Counts what a file is made of, as each part costs a step of an interpreter.

    Attributes:
        count: so far.
        limit: the most that are allowed.
    """

    def __init__(self, limits: ImageLimits) -> None:
        self.count = 0
        self.limit = limits.max_parts

    def add(self, count: int = 1) -> None:
        """Counts some more.

        Raises:
            ImageTooLargeError: there are too many.
        """
        self.count += count
        if self.count > self.limit:
            raise ImageTooLargeError(f"the image has more than {self.limit} parts, the most that are allowed")


def reduction(width: int, height: int, at_least: Size | None) -> int:
    """By how much a picture's sides are divided while it is widened; 1 is not at all."""
    if at_least is None:
        return 1
    return max(1, min(width // (ENOUGH * at_least.width), height // (ENOUGH * at_least.height)))


def widened_bytes(width: int, height: int, at_least: Size | None) -> int:
    """Memory that a stored picture's way to upright RGB takes besides itself."""
    pixels = width * height
    return _RGB * pixels // reduction(width, height, at_least) ** 2 + min(_STRIP_BYTES, 16 * pixels)


def whole_bytes(width: int, height: int, at_least: Size | None, parts: Parts, pixel_bytes: int) -> int:
    """Memory of a decoder that makes the whole picture at once, of so many bytes a pixel with its copies."""
    return width * height * pixel_bytes + widened_bytes(width, height, at_least) + parts.count * _PART_BYTES
