"""A picture of any mode → RGB, in strips: a picture of 50 megapixels costs itself, and not four copies of itself."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.cost.cost import STRIP_PIXELS, reduction
from models.limits import Size

_WHITE = 65535.0
_PHOTOMETRIC, _WHITE_IS_ZERO, _SAMPLE_FORMAT = 262, 0, 339  # TIFF's


def to_rgb(image: Image.Image, at_least: Size | None = None) -> Image.Image:
    """Converts a loaded picture: grey and palette expanded, alpha laid over white, 16 bits scaled to 8.

    Args:
        image: in any of Pillow's modes.
        at_least: the size that the caller goes on to reduce the picture to, its sides in the same order. A picture of
            several times that size is reduced on the way, by averaging whole squares of pixels.

    Returns:
        A picture in RGB; the very one that was given if there was nothing to do.
    """
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    factor = reduction(image.width, image.height, at_least)
    convert = _converter(image)
    rows = _rows(image, factor)
    if rows >= image.height:
        return _reduced(convert(image), factor)
    rgb = Image.new("RGB", (-(-image.width // factor), -(-image.height // factor)))
    for index, strip in enumerate(_strips(image, rows)):
        rgb.paste(_reduced(convert(strip), factor), (0, index * rows // factor))
    return rgb


def _reduced(image: Image.Image, factor: int) -> Image.Image:
    return image if factor == 1 else image.reduce(factor)


def _converter(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _deep_grey(image)
    if image.has_transparency_data:
        return _over_white
    return lambda strip: strip.convert("RGB")


def _over_white(image: Image.Image) -> Image.Image:
    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")


def _deep_grey(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """Grey of 16 bits, 32 bits or floats → 8 bits.

    White is 65535; for floats 1 or 255 if none is higher, and for unsigned 32 bits the highest if that is more.
    """
    tags = getattr(image, "tag_v2", {})
    unsigned = image.mode == "I" and tags.get(_SAMPLE_FORMAT) == (1,)  # Pillow knows signed ones alone
    inverted = tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO  # Pillow does so for 8 bits and fewer
    white = _white(image, unsigned=unsigned)
    transparency = image.info.get("transparency", np.nan)

    def convert(strip: Image.Image) -> Image.Image:
        grey = _floats(strip, unsigned=unsigned)
        transparent = grey == transparency
        np.clip(grey, 0, white, out=grey)
        np.rint(np.multiply(grey, 255 / white, out=grey), out=grey)
        if inverted:
            np.subtract(255, grey, out=grey)
        grey[transparent] = 255
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")

    return convert


def _floats(strip: Image.Image, *, unsigned: bool) -> NDArray[np.float32]:
    stored = np.asarray(strip)
    return np.nan_to_num((stored.view(np.uint32) if unsigned else stored).astype(np.float32))


def _white(image: Image.Image, *, unsigned: bool) -> float:
    if image.mode != "F" and not unsigned:
        return _WHITE
    peak = max(float(_floats(strip, unsigned=unsigned).max()) for strip in _strips(image, _rows(image, 1)))
    if unsigned:
        return max(_WHITE, peak)
    return _WHITE if peak > 255 else 255.0 if peak > 1 else 1.0


def _rows(image: Image.Image, factor: int) -> int:
    return max(1, STRIP_PIXELS // image.width // factor) * factor


def _strips(image: Image.Image, rows: int) -> Iterator[Image.Image]:
    for top in range(0, image.height, rows):
        yield image.crop((0, top, image.width, min(top + rows, image.height)))
