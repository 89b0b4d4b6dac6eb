"""Edit: what is to be done with a photo file's metadata, whatever its format."""

from collections.abc import Callable
from dataclasses import dataclass

from serving.upright.formats import xmp
from serving.upright.formats.exif import Exif
from serving.upright.formats.orientation import UPRIGHT, swaps_sides, turned

MOST_COPIES = 8
"""Of an orientation that one file tells, each of which is read and written anew."""


@dataclass(frozen=True)
class Edit:
    """A new orientation for a picture.

    Attributes:
        orientation: what the file's tag is to say.
        turn: degrees by which the tag turns what was shown, clockwise; the thumbnail's own tag gets the same.
        pixels: None, or the orientation by which the stored pixels themselves are turned; the tag then says 1.
        thumbnail: turns an embedded thumbnail's pixels likewise.
    """

    orientation: int
    turn: int = 0
    pixels: int | None = None
    thumbnail: Callable[[bytes], bytes] | None = None

    def exif(self, block: bytes | None, room: int | None = None) -> bytes:
        """The EXIF block edited; a new one where there is none that a program can read.

        Args:
            block: as it is.
            room: the bytes in which browsers look for the tag; None: all.

        Raises:
            ValueError, struct.error: it is broken, or has no room for the tag.
        """
        exif = Exif.of_block(block)
        told = exif.orientation is not None
        edited = self.tags(exif)
        if told or room is None or len(edited) <= room:
            return edited
        exif = Exif.of_block(block)
        exif.insert_orientation(self.orientation)
        return self.tags(exif)

    def tags(self, exif: Exif) -> bytes:
        """A block, or a TIFF file, edited.

        Raises:
            ValueError, struct.error: it is broken.
        """
        exif.orientation = self.orientation
        exif.xmp = self.xmp(exif.xmp)
        if (own := exif.thumbnail_orientation) is not None:
            exif.thumbnail_orientation = UPRIGHT if self.pixels else turned(own, self.turn)
        if self.pixels is not None and swaps_sides(self.pixels):
            exif.swap_sides()
        if self.thumbnail is not None and (picture := exif.thumbnail):
            exif.thumbnail = self.thumbnail(picture)
        return exif.to_bytes()

    def xmp(self, packet: bytes) -> bytes:
        """The XMP packet edited, of the same length."""
        return xmp.with_orientation(packet, self.orientation)


def refuse_copies(count: int) -> None:
    """Raises ValueError where a file tells its orientation more often than any program writes it."""
    if count > MOST_COPIES:
        raise ValueError(f"it has more than {MOST_COPIES} blocks of metadata that tell an orientation")
