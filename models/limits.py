"""What one picture may cost, and the size that is wanted of it."""

from dataclasses import dataclass

from models.errors import ImageTooLargeError

MEGAPIXEL = 1_000_000


@dataclass(frozen=True)
class ImageLimits:
    """What one picture may cost.

    Attributes:
        max_bytes: encoded.
        max_pixels: decoded (all frames' canvas: width x height).
        max_scans: of a progressive JPEG, each of which goes over the whole picture. Chromium and Skia stop at 100.
        max_parts: segments, chunks, strips, tags and blocks that the file is made of.
        max_decoded_bytes: memory that decoding it may take; None: any.
    """

    max_bytes: int = 32 * 1024 * 1024
    max_pixels: int = 50 * MEGAPIXEL
    max_scans: int = 100
    max_parts: int = 65_536
    max_decoded_bytes: int | None = None

    def refuse_bytes(self, size: int) -> None:
        """Raises ImageTooLargeError where there are more than ``max_bytes`` of an image that is not all there."""
        if size > self.max_bytes:
            raise ImageTooLargeError(
                f"the image has too many bytes; at most {self.max_bytes} are allowed", limit="bytes"
            )

    def refuse_pixels(self, pixels: int, described: str) -> None:
        """Raises ImageTooLargeError where there are more than ``max_pixels``."""
        if pixels > self.max_pixels:
            allowed = f"at most {self.max_pixels / MEGAPIXEL:g} megapixels are allowed"
            raise ImageTooLargeError(f"the image has {described}; {allowed}", limit="pixels")


DEFAULT_LIMITS = ImageLimits()


@dataclass(frozen=True)
class Size:
    """Width and height in pixels."""

    width: int
    height: int

    def stored(self, swapped: bool) -> "Size":
        """Of the picture before it is turned."""
        return Size(self.height, self.width) if swapped else self
