"""Photos for the load test, made here, so that it needs no folder of photos and asks the same each time."""

from io import BytesIO
from random import Random

from PIL import Image, ImageFilter

Size = tuple[int, int]

THUMBNAIL: Size = (640, 480)
WEB: Size = (1600, 1200)
PHONE: Size = (4032, 3024)


def jpeg(size: Size, seed: int) -> bytes:
    """Makes a JPEG whose bytes per pixel are those of a photograph: large soft shapes under a little grain.

    Args:
        size: width and height in pixels.
        seed: the same seed makes the same bytes.
    """
    return encoded(size, seed, "JPEG")


def encoded(size: Size, seed: int, format_: str) -> bytes:
    """The same picture in any of Pillow's formats."""
    random = Random(seed)  # noqa: S311 - pictures, not secrets
    shapes = _noise(random, (12, 9)).resize(size, Image.Resampling.BICUBIC)
    grain = _noise(random, size).filter(ImageFilter.BoxBlur(1))
    buffer = BytesIO()
    Image.blend(shapes, grain, 0.4).save(buffer, format_, quality=85)
    return buffer.getvalue()


def flat_png(size: Size) -> bytes:
    """A PNG of one colour: few bytes, and all of its pixels to decode."""
    buffer = BytesIO()
    Image.new("RGB", size, "teal").save(buffer, "PNG")
    return buffer.getvalue()


def _noise(random: Random, size: Size) -> Image.Image:
    return Image.frombytes("RGB", size, random.randbytes(size[0] * size[1] * 3))
