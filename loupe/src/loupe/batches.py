"""Many photos → as many requests as the limits ask for; read one request ahead, so that folders of any size fit."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import PurePath

from loupe.errors import ImageError
from loupe.images import ImageSource, encoded

_PART_BYTES = 256  # boundary and headers of one photo in a form


@dataclass(frozen=True)
class Limits:
    """What one request may hold; a service that allows less is met halfway, see ``flows``."""

    max_images: int
    max_bytes: int


Read = bytes | ImageError
"""A photo, or why it could not be read."""


def batches(images: Iterable[ImageSource], limits: Limits) -> Iterator[list[Read]]:
    """Reads photos and groups them; a photo that is larger than a request may be goes alone.

    Raises:
        TypeError, ValueError: one of them is no photo.
    """
    batch, size = list[Read](), 0
    for image in images:
        read = _read(image)
        cost = 0 if isinstance(read, ImageError) else len(read) + _PART_BYTES
        if batch and (len(batch) == limits.max_images or size + cost > limits.max_bytes):
            yield batch
            batch, size = [], 0
        batch.append(read)
        size += cost
    if batch:
        yield batch


def read_one(image: ImageSource) -> bytes:
    """Reads a photo.

    Raises:
        ImageError: its file cannot be read, or is empty.
        TypeError, ValueError: it is no photo.
    """
    try:
        data = encoded(image)
    except OSError as error:
        name = "the photo" if error.filename is None else PurePath(str(error.filename)).name
        raise ImageError(f"{name} cannot be read: {error.strerror or error}", type(error).__name__) from error
    if not data:
        name = PurePath(image).name if isinstance(image, str | PathLike) else "the photo"
        raise ImageError(f"{name} is empty", "UnsupportedImageError")
    return data


def _read(image: ImageSource) -> Read:
    try:
        return read_one(image)
    except ImageError as error:
        return error
