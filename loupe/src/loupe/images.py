"""Whatever a caller may hand in as a photo → its encoded bytes."""

import sys
from collections.abc import Callable, Iterable
from io import BytesIO, TextIOBase
from os import PathLike
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeAlias, TypeGuard, Union

if TYPE_CHECKING:  # neither is imported before a caller hands in one of theirs
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

ImageSource: TypeAlias = Union[
    str, PathLike[str], bytes, bytearray, memoryview, IO[bytes], "Image", "NDArray[np.uint8]"
]
"""A path, encoded bytes, a binary file, a Pillow image, or pixels as ``uint8[H, W]`` or ``uint8[H, W, 1|3|4]``."""

_OF_PNG = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})  # Pillow's modes that PNG holds as they are
_CHANNELS = (1, 3, 4)


def is_one(images: ImageSource | Iterable[ImageSource]) -> TypeGuard[ImageSource]:
    """Whether this is one photo, rather than several."""
    known = isinstance(images, str | PathLike | bytes | bytearray | memoryview) or hasattr(images, "read")
    known = known or not isinstance(images, Iterable)  # what is neither is told by ``encoded``
    return known or _is(images, "PIL.Image", "Image") or _is(images, "numpy", "ndarray")


def encoded(image: ImageSource) -> bytes:
    """The encoded photo. Pixels become PNG, without loss; a Pillow image keeps its EXIF orientation.

    Raises:
        ModuleNotFoundError: this is an array, and Pillow is not installed.
        OSError: the file cannot be read.
        TypeError: this is no photo.
        ValueError: the pixels have another shape or type.
    """
    if isinstance(image, str | PathLike):
        return Path(image).read_bytes()
    if isinstance(image, bytes | bytearray | memoryview):
        return bytes(image)
    if _is(image, "PIL.Image", "Image"):
        return _png(image)  # type: ignore[arg-type]
    if _is(image, "numpy", "ndarray"):
        return _png(_from_pixels(image))  # type: ignore[arg-type]
    if hasattr(image, "read"):
        return _read(image)  # type: ignore[arg-type]
    raise TypeError(
        f"a photo is a path, bytes, a binary file, a Pillow image or a NumPy array, not {type(image).__name__}"
    )


def _is(value: object, module: str, name: str) -> bool:
    """An object of a module that nobody has imported cannot be there."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(value, getattr(loaded, name))


def _read(file: IO[bytes]) -> bytes:
    data = None if isinstance(file, TextIOBase) else file.read()  # a photo is no text: reading it as such would fail
    if not isinstance(data, bytes):
        raise TypeError("the file was opened as text; photos are read from files opened with 'rb'")
    return data


def _png(image: "Image") -> bytes:
    exif, buffer = image.getexif(), BytesIO()
    shown = image if image.mode in _OF_PNG else image.convert("RGB")
    shown.save(
        buffer, "PNG", exif=exif, compress_level=1
    )  # on a fast network, packing tighter costs more than it saves
    return buffer.getvalue()


def _pillow() -> Callable[["NDArray[np.uint8]"], "Image"]:
    """Imported only for those who hand in arrays: the client does without."""
    try:
        from PIL.Image import fromarray
    except ModuleNotFoundError:
        raise ModuleNotFoundError("an array travels as PNG, which Pillow writes: pip install pillow") from None
    return fromarray


def _from_pixels(pixels: "NDArray[np.uint8]") -> "Image":
    fromarray = _pillow()
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    if pixels.dtype != "uint8" or pixels.ndim not in (2, 3) or channels not in _CHANNELS:
        raise ValueError(
            f"pixels are uint8[H, W] or uint8[H, W, 1|3|4], not {pixels.dtype}{list(pixels.shape)}; "
            "several photos are a list of such arrays"
        )
    return fromarray(pixels.reshape(pixels.shape[:2]) if channels == 1 else pixels)
