"""Bytes of a photo → upright RGB image: the one decoder of training, evaluation and serving."""

import warnings
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from models.cut_off import ENOUGH, completed
from models.errors import ImageTooLargeError, UndecodableImageError, UnsupportedImageError
from models.heif import is_heif, open_heif
from models.tiff import tile_pixels

FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""Pillow's names of the formats that are served in any case; of several frames, the first counts. See also heif.py."""

_OPENERS = tuple(name for name in FORMATS if name != "MPO")  # Pillow opens MPO as a JPEG and has no opener of that name
_EXIF_ORIENTATION = 0x0112
_XMP = ("XML:com.adobe.xmp", "xmp")  # in Pillow's info
_PHOTOMETRIC, _SAMPLE_FORMAT, _WHITE_IS_ZERO = 262, 339, 0
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
_SWAPS_SIDES = (5, 6, 7, 8)
_MEGAPIXEL = 1_000_000

# Pillow's own guard warns at one limit and raises at its double; `decode` has one limit, checked from the header.
Image.MAX_IMAGE_PIXELS = None
# Its warnings quote what people send, and Python remembers every distinct text for ever.
warnings.filterwarnings("ignore", module=r"PIL\.")


@dataclass(frozen=True)
class ImageLimits:
    """What one picture may cost: ``max_bytes`` encoded, ``max_pixels`` decoded (all frames' canvas: width x height)."""

    max_bytes: int = 32 * 1024 * 1024
    max_pixels: int = 50 * _MEGAPIXEL


@dataclass(frozen=True)
class Size:
    """Width and height in pixels."""

    width: int
    height: int

    def stored(self, swapped: bool) -> tuple[int, int]:
        """The sides of the picture before it is turned."""
        return (self.height, self.width) if swapped else (self.width, self.height)


def decode(
    data: bytes,
    at_least: Size | None = None,
    limits: ImageLimits = ImageLimits(),
    *,
    apply_exif: bool = True,
) -> Image.Image:
    """Decodes a photo as a viewer shows it.

    Args:
        data: the encoded photo.
        at_least: the size that the caller goes on to reduce the returned image to. A JPEG is then decoded at the
            smallest DCT scale (1/8, 1/4, 1/2, 1) that is not below it on either side. None decodes at full size.
        limits: refused beyond these, from the header, before any pixel is allocated.
        apply_exif: whether to apply the EXIF orientation (all eight values). HEIC and AVIF files are turned as their
            container says in any case: it is not EXIF that turns them.

    Returns:
        An RGB image: grey and palette expanded, alpha laid over white, 16 bits scaled to 8, CMYK converted.

    Raises:
        UnsupportedImageError: the bytes are not of one of ``FORMATS``, nor HEIC or AVIF with the extra ``heif``.
        ImageTooLargeError: more bytes or pixels than ``limits`` allow.
        UndecodableImageError: the file is broken or truncated.
    """
    if len(data) > limits.max_bytes:
        raise ImageTooLargeError(f"the image has {len(data)} bytes; at most {limits.max_bytes} are allowed")
    image = open_header(data)
    _refuse_bomb(image.width * image.height, f"{image.width} x {image.height} pixels", limits)
    _refuse_bomb(tile_pixels(data), "a tile of more pixels than the image", limits)
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
        if _has_known_start(data):
            raise UndecodableImageError("the image's header is broken or cut off") from None
        raise UnsupportedImageError(_unsupported(data)) from None
    except Exception as error:
        raise UndecodableImageError(f"the image's header cannot be read: {_one_line(error)}") from error


def starts_as_image(data: bytes) -> bool:
    """Whether the first bytes are those of a format that is served, HEIC and AVIF included."""
    return _has_known_start(data) or is_heif(data)


def _readable(data: bytes) -> bytes:
    """A WebP file that tells more bytes than it has is read as far as it goes, as browsers do."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP" and int.from_bytes(data[4:8], "little") > len(data) - 8:
        return data[:4] + (len(data) - 8).to_bytes(4, "little") + data[8:]
    return data


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())  # libheif ends its messages with an empty line


def _refuse_bomb(pixels: int, described: str, limits: ImageLimits) -> None:
    if pixels > limits.max_pixels:
        allowed = f"at most {limits.max_pixels / _MEGAPIXEL:g} megapixels are allowed"
        raise ImageTooLargeError(f"the image has {described}; {allowed}")


def _has_known_start(data: bytes) -> bool:
    Image.init()  # until something was opened, Pillow knows no format, and then only some of them
    tests = (Image.OPEN[name][1] for name in _OPENERS)
    return any(accept is not None and accept(data[:16]) is True for accept in tests)


def _unsupported(data: bytes) -> str:
    kind = "empty" if not data else "not an image that is served"
    return f"the data is {kind}; allowed are {', '.join(FORMATS)}, and with the extra `heif` HEIC and AVIF"


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
        raise UndecodableImageError(f"it is cut off, and only {int(100 * share)} % of it are there")
    return completed_image


def _upright_rgb(image: Image.Image, data: bytes, at_least: Size | None, apply_exif: bool) -> Image.Image:
    orientation = exif_orientation(image)
    wanted = apply_exif or image.format == "AVIF"  # Pillow tells an AVIF container's own turn as if EXIF did
    turn = _turn(orientation, wanted, applied=image.format == "TIFF")  # Pillow turns TIFFs as it loads them
    if image.format in ("JPEG", "MPO"):
        swapped = apply_exif and orientation in _SWAPS_SIDES
        image = _loaded_jpeg(image, data, None if at_least is None else at_least.stored(swapped))
    image.load()
    rgb = _to_rgb(image)
    return rgb if turn is None else rgb.transpose(turn)


def exif_orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 where there is none or it cannot be read: bad EXIF does not spoil a good picture.

    XMP has no say, as in browsers: programs that turn a picture's pixels often leave what stands there.
    """
    try:
        exif = image.getexif()
        if set(_XMP) & image.info.keys():  # Pillow asks that where EXIF tells nothing
            image.info = {key: value for key, value in image.info.items() if key not in _XMP}
            image._exif = None
            exif = image.getexif()
        value = _whole(exif.get(_EXIF_ORIENTATION, 1))
    except Exception:
        return 1
    return value if value in UPRIGHT else 1


def _whole(value: Any) -> int:  # noqa: ANN401 - of whatever type a program wrote
    """One SHORT by the standard; some write several, bytes or fractions."""
    first = value[0] if isinstance(value, (tuple, bytes)) else value
    return int(first)


def _turn(orientation: int, wanted: bool, applied: bool) -> Image.Transpose | None:
    if wanted == applied:
        return None
    return UPRIGHT[orientation if wanted else _INVERSE.get(orientation, orientation)]


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _deep_grey_to_rgb(image)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _deep_grey_to_rgb(image: Image.Image) -> Image.Image:
    """Grey of 16 bits, 32 bits or floats → 8 bits.

    White is 65535; for floats 1 or 255 if none is higher, and for unsigned 32 bits the highest if that is more.
    """
    tags = getattr(image, "tag_v2", {})
    stored = np.asarray(image)
    unsigned = image.mode == "I" and tags.get(_SAMPLE_FORMAT) == (1,)
    if unsigned:
        stored = stored.view(np.uint32)  # Pillow knows signed ones alone
    grey = np.nan_to_num(stored.astype(np.float32))  # not float64: 50 megapixels are 200 MB as it is
    transparent = grey == image.info.get("transparency", np.nan)
    peak = float(grey.max())
    white = 65535.0 if image.mode != "F" or peak > 255 else 255.0 if peak > 1 else 1.0
    white = max(white, peak) if unsigned else white
    np.clip(grey, 0, white, out=grey)
    np.rint(np.multiply(grey, 255 / white, out=grey), out=grey)
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        np.subtract(255, grey, out=grey)  # Pillow does so for 8 bits and fewer
    grey[transparent] = 255
    return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
