"""Preparing: one encoded photo → the pixels that models take."""

from collections.abc import Sequence
from time import perf_counter

from models.cost import Cost
from models.drift import Shape
from models.images import ImageLimits, Size, decode
from models.preprocessing import Preprocessing
from serving.engine.task import Made


def wanted_size(wanted: Sequence[Preprocessing]) -> Size:
    """The smallest size that serves all of them."""
    if len(wanted) == 1:
        return wanted[0].size
    return Size(max(one.width for one in wanted), max(one.height for one in wanted))


def prepare(data: bytes, wanted: Sequence[Preprocessing], apply_exif: bool, limits: ImageLimits, cost: Cost) -> Made:
    """Decodes a photo once for all that is wanted.

    Returns:
        ``uint8[H, W, C]`` of each preprocessing, in order; the seconds of decoding and of all preprocessings, and the
        ``Shape`` of the photo.

    Raises:
        ImageError: the photo cannot be used.
    """
    started = perf_counter()
    image = decode(data, wanted_size(wanted), limits, apply_exif=apply_exif, cost=cost)
    decoded = perf_counter()
    pixels = [preprocessing.apply(image) for preprocessing in wanted]
    shape = Shape.of(cost.pixels, image.width, image.height)
    return Made(pixels, (decoded - started, perf_counter() - decoded, shape))
