"""Bytes of a photo → upright RGB image: the one decoder of training, evaluation and serving."""

import warnings
from functools import lru_cache
from importlib import import_module
from io import BytesIO

from PIL import Image, UnidentifiedImageError

from models.cost import Cost, estimate
from models.cut_off import ENOUGH, completed
from models.errors import UndecodableImageError, UnsupportedImageError
from models.exif import orientation
from models.heif import is_heif, open_heif, reads_heif
from models.limits import DEFAULT_LIMITS, ImageLimits, Size
from models.png import is_png, without_pixels
from models.quiet import silence_decoders
from models.widening import to_rgb

__all__ = [
    "FORMATS",
    "UPRIGHT",
    "ImageLimits",
    "Size",
    "decode",
    "exif_orientation",
    "open_header",
    "starts_as_image",
]

FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""Pillow's names of the formats that are served in any case; of several frames, the first counts. See also heif.py."""

silence_decoders()
# Where Pillow lacks one that is asked for, it loads all 45: that took the event loop of a new server 0.1 s.
for _plugin in ("Bmp", "Gif", "Jpeg", "Png", "Tiff", "WebP"):
    import_module(f"PIL.{_plugin}ImagePlugin")

_START_BYTES = 16  # that tell a format
_OPENERS = tuple(name for name in FORMATS if name != "MPO")  # Pillow opens MPO as a JPEG and has no opener of that name
UPRIGHT: dict[int, Image.Transpose | None] = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns the stored picture into the one that is meant, by EXIF orientation."""

_INVERSE = {6: 8, 8: 6}  # the other six undo themselves
_SWAPPING = tuple(UPRIGHT[orientation] for orientation in (5, 6, 7, 8))

# Pillow's own guard warns at one limit and raises at its double; `decode` has one limit, checked from the header.
Image.MAX_IMAGE_PIXELS = None
# Its warnings quote what people send, and Python remembers every distinct text for ever.
warnings.filterwarnings("ignore", module=r"PIL\.")


def decode(
    data: bytes,
    at_least: Size | None = None,
    limits: ImageLimits = DEFAULT_LIMITS,
    *,
    apply_exif: bool = True,
    cost: Cost | None = None,
) -> Image.Image:
    """Decodes a photo as a viewer shows it.

    Args:
        data: the encoded photo.
        at_least: the size that the caller goes on to reduce the returned image to. A JPEG is then decoded at the
            smallest DCT scale (1/8, 1/4, 1/2, 1) that is not below it on either side, and another picture that is
            not RGB is reduced to no less than six times of it. None decodes at full size.
        limits: refused beyond these, from the header, before any pixel is allocated.
        apply_exif: whether to apply the EXIF orientation (all eight values). HEIC and AVIF files are turned as their
            container says in any case: it is not EXIF that turns them.
        cost: what ``estimate`` said of it, if it was asked already.

    Returns:
        An RGB image: grey and palette expanded, alpha laid over white, 16 bits scaled to 8, CMYK converted.

    Raises:
        UnsupportedImageError: the bytes are not of one of ``FORMATS``, nor HEIC or AVIF with the extra ``heif``.
        ImageTooLargeError: more bytes or pixels than ``limits`` allow.
        UndecodableImageError: the file is broken or truncated.
    """
    counted = estimate(data, at_least, limits) if cost is None else cost
    image = open_header(data)
    limits.refuse_pixels(image.width * image.height, f"{image.width} x {image.height} pixels")
    if image.width * image.height > counted.pixels:
        raise UndecodableImageError(f"the {image.format} image contradicts itself about its size")
    try:
        return _upright_rgb(image, data, at_least, apply_exif)
    except Exception as error:  # Pillow's decoders raise anything, from SyntaxError to struct.error, on hostile bytes
        raise UndecodableImageError(f"the {image.format} image cannot be decoded: {_one_line(error)}") from error


def open_header(data: bytes) -> Image.Image:
    """Reads a photo's header; pixels are decoded when they are asked for, and nothing but ``decode`` guards that.

    Raises:
        UnsupportedImageError: as ``decode``.
        UndecodableImageError: the header is broken.
    """
    try:
        return open_heif(data) if is_heif(data) else Image.open(BytesIO(_readable(data)), formats=_OPENERS)
    except UnsupportedImageError:
        raise
    except UnidentifiedImageError:
        if _has_known_start(data[:_START_BYTES]):
            raise UndecodableImageError("the image's header is broken or cut off") from None
        raise UnsupportedImageError(_unsupported(data)) from None
    except Exception as error:
        raise UndecodableImageError(f"the image's header cannot be read: {_one_line(error)}") from error


def starts_as_image(data: bytes) -> bool:
    """Whether the first bytes are those of a format that is served, HEIC and AVIF included."""
    return _has_known_start(data[:_START_BYTES]) or is_heif(data)


def _readable(data: bytes) -> bytes:
    """A WebP file that tells more bytes than it has is read as far as it goes, as browsers do."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP" and int.from_bytes(data[4:8], "little") > len(data) - 8:
        return data[:4] + (len(data) - 8).to_bytes(4, "little") + data[8:]
    return data


def _one_line(error: Exception) -> str:
    """Pillow words one thing differently by format, such as ``image file is truncated (1 bytes not processed)``."""
    said = " ".join(str(error).split())  # libheif ends its messages with an empty line
    return "it is cut off" if "truncated" in said.lower() else said


@lru_cache
def _has_known_start(start: bytes) -> bool:
    tests = (Image.OPEN[name][1] for name in _OPENERS)
    return any(accept is not None and accept(start) is True for accept in tests)


def _unsupported(data: bytes) -> str:
    if not data:
        return "the data is empty"
    extra = "" if reads_heif() else " and with the extra `heif`"
    return f"the data is not an image that is served; allowed are {', '.join(FORMATS)},{extra} HEIC and AVIF"


def _loaded_jpeg(image: Image.Image, data: bytes, draft: tuple[int, int] | None) -> Image.Image:
    if draft is not None:
        image.draft(None, draft)
    try:
        image.load()
        return image
    except OSError:
        found = completed(data, draft)
        if found is None:
            raise
    completed_image, share = found
    if share < ENOUGH:
        raise UndecodableImageError(f"it is cut off, and only {int(100 * share)} % of it is there")
    return completed_image


def _upright_rgb(image: Image.Image, data: bytes, at_least: Size | None, apply_exif: bool) -> Image.Image:
    if image.format == "PNG":
        image.load()  # its EXIF may stand behind its pixels
    told = orientation(image)
    wanted = apply_exif or image.format == "AVIF"  # Pillow tells an AVIF container's own turn as if EXIF did
    turn = _turn(told, wanted, applied=image.format == "TIFF")  # Pillow turns TIFFs as it loads them
    stored = at_least.stored(turn in _SWAPPING) if at_least else None
    if image.format in ("JPEG", "MPO"):
        image = _loaded_jpeg(image, data, (stored.width, stored.height) if stored else None)
        stored = None  # it is small enough
    image.load()
    rgb = to_rgb(image, stored)
    return rgb if turn is None else rgb.transpose(turn)


def exif_orientation(data: bytes) -> int:
    """The EXIF orientation of an encoded photo, 1 where there is none or it cannot be read. No pixel is decoded."""
    try:
        image = open_header(without_pixels(data) if is_png(data) else data)
    except Exception:
        return 1
    return orientation(image)


def _turn(orientation: int, wanted: bool, applied: bool) -> Image.Transpose | None:
    if wanted == applied:
        return None
    return UPRIGHT[orientation if wanted else _INVERSE.get(orientation, orientation)]
