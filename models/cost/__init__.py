"""What a picture costs before, while and after it is decoded: told from its header and a walk over its structure.

No pixel is decoded for it, and no more is looked at than Pillow will look at. ``models/images.py`` refuses by it, and
serving decides by it where, when and whether a picture is decoded.
"""

from models.cost import heif, jpeg, palettes, png, tiff, webp
from models.cost.cost import Cost
from models.errors import ImageTooLargeError
from models.heif import is_heif
from models.limits import DEFAULT_LIMITS, ImageLimits, Size

__all__ = ["Cost", "estimate"]

_STARTS = (
    (b"\xff\xd8\xff", jpeg.cost),
    (b"\x89PNG\r\n\x1a\n", png.cost),
    (b"RIFF", webp.cost),
    (b"GIF8", palettes.gif),
    (b"BM", palettes.bmp),
    (b"II", tiff.cost),
    (b"MM", tiff.cost),
)


def estimate(data: bytes, at_least: Size | None = None, limits: ImageLimits = DEFAULT_LIMITS) -> Cost:
    """Estimates what ``decode`` takes for the same arguments; of what is no picture, nothing.

    Raises:
        ImageTooLargeError: it is beyond the limits, and would be however long one waited.
    """
    if len(data) > limits.max_bytes:
        raise ImageTooLargeError(
            f"the image has {len(data)} bytes; at most {limits.max_bytes} are allowed", limit="bytes"
        )
    walk = heif.cost if is_heif(data) else next((walk for start, walk in _STARTS if data.startswith(start)), None)
    cost = walk(data, at_least, limits) if walk else Cost()
    most = limits.max_decoded_bytes
    if most is not None and cost.bytes > most:
        raise ImageTooLargeError(f"the image takes up to {cost.bytes} bytes of memory; at most {most} are allowed")
    return cost
