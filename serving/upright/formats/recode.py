"""Turns decoded pixels and codes them again, with Pillow: without loss, except for JPEG and lossy WebP."""

from io import BytesIO
from typing import Any

from PIL import Image
from PIL.JpegImagePlugin import get_sampling

from models.images import UPRIGHT, open_header
from serving.upright.formats.orientation import UPRIGHT as UPRIGHT_TAG
from serving.upright.formats.orientation import swaps_sides, turned

WEBP_QUALITY = 95
"""Of lossy WebP files that are coded again; libwebp's scale goes to 100."""

_FULL, _HALF_ACROSS, _QUARTER = 0, 1, 2  # Pillow's numbers of 4:4:4, 4:2:2 and 4:2:0
_BLOCK = 8
_WHITE, _PNG_DEPTH, _PHOTOMETRIC = 255, 24, 262
_TIFF_KEPT = {"raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits", "group3", "group4"}
_TIFF_ELSE = "tiff_adobe_deflate"


def recode_jpeg(data: bytes, orientation: int) -> bytes:
    """With the source's quantisation tables and subsampling, as far as these have a transpose that Pillow writes."""
    image = Image.open(BytesIO(data), formats=["JPEG"])
    tables, sampling = list(image.quantization.values()), get_sampling(image)  # type: ignore[attr-defined]
    if swaps_sides(orientation):
        tables = [
            [table[row + _BLOCK * column] for row in range(_BLOCK) for column in range(_BLOCK)] for table in tables
        ]
        sampling = _FULL if sampling == _HALF_ACROSS else sampling
    return _save(
        _turned(image, orientation),
        "JPEG",
        qtables=tables,
        subsampling=sampling if sampling in (_HALF_ACROSS, _QUARTER) else _FULL,
        progressive="progressive" in image.info,
    )


def recode_png(data: bytes, orientation: int) -> bytes:
    """Of the pixels alone; not for more than 8 bits a channel in colour, which Pillow would round."""
    image = Image.open(BytesIO(data), formats=["PNG"])
    transparent = image.info.get("transparency")
    if image.mode == "L" and isinstance(transparent, int):
        transparent *= _WHITE // (2 ** data[_PNG_DEPTH] - 1)  # Pillow widens 2 and 4 bits to 8, but not this
    options = {} if transparent is None else {"transparency": transparent}
    return _save(_turned(image, orientation), "PNG", **options)


def recode_webp(data: bytes, orientation: int, *, lossless: bool) -> bytes:
    """Of the pixels alone."""
    image = open_header(data)  # which reads on where a file tells more bytes than it has
    quality = 100 if lossless else WEBP_QUALITY
    return _save(_turned(image, orientation), "WEBP", lossless=lossless, quality=quality, exact=lossless)


def recode_tiff(data: bytes, clockwise: int) -> bytes:
    """Of the pixels alone, with the source's compression if it is lossless; Pillow has applied its orientation."""
    image = Image.open(BytesIO(data), formats=["TIFF"])
    compression = image.info.get("compression", "raw")
    white_is_zero = image.mode.startswith("I;16") and image.tag_v2.get(_PHOTOMETRIC) == 0  # type: ignore[attr-defined]
    picture = _turned(image, turned(UPRIGHT_TAG, clockwise))
    return _save(
        picture.convert("I").convert("I;16") if picture.mode == "I;16B" else picture,  # else the file is big-endian
        "TIFF",
        compression=compression if compression in _TIFF_KEPT else _TIFF_ELSE,
        tiffinfo={_PHOTOMETRIC: 0} if white_is_zero else {},  # Pillow reads these samples as they are
    )


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    image.load()
    turn = UPRIGHT[orientation]
    return image if turn is None else image.transpose(turn)


def _save(image: Image.Image, kind: str, **options: Any) -> bytes:  # noqa: ANN401 - Pillow's, of each format's own
    """Without metadata: Pillow would write some of what ``info`` holds."""
    bare = image.copy()
    bare.info = {}
    buffer = BytesIO()
    bare.save(buffer, kind, **options)
    return buffer.getvalue()
