"""What decode makes of good pictures: formats, modes, EXIF and scale. Broken ones are in test_images_hostile.py."""

import struct
import subprocess
import sys
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from models.images import Size, decode

FORMATS_WITH_EXIF = [
    ("JPEG", {"quality": 95}),
    ("PNG", {}),
    ("WEBP", {"quality": 95}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("TIFF", {"compression": "tiff_adobe_deflate"}),
    ("TIFF", {"compression": "jpeg", "quality": 95}),
]
STORED_AS = {  # how the camera turned the scene that the tag then turns back
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def encode(image: Image.Image, format_: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def oriented(image: Image.Image, orientation: int, format_: str, **options: object) -> bytes:
    """The picture as a camera held that way stores it."""
    transpose = STORED_AS[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(image if transpose is None else image.transpose(transpose), format_, exif=exif, **options)


def difference(one: Image.Image, other: Image.Image) -> float:
    assert one.size == other.size
    return float(np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).mean())


def png(depth: int, colour: int, row: bytes, *, transparent: bytes) -> bytes:
    """A PNG of two pixels with a tRNS chunk, which Pillow cannot write for every mode."""
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", 2, 1, depth, colour, 0, 0, 0),
        b"tRNS": transparent,
        b"IDAT": zlib.compress(b"\0" + row),
        b"IEND": b"",
    }
    packed = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks.items())
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


@pytest.fixture(scope="module")
def small(photograph: Image.Image) -> Image.Image:
    return photograph.resize((96, 64), Image.Resampling.LANCZOS)


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee", "rocket", "china", "flower"])
def test_photographs_decode_as_pillow_shows_them(photographs, name):
    data = photographs[name]
    image = decode(data)
    assert image.mode == "RGB"
    assert image.tobytes() == Image.open(BytesIO(data)).convert("RGB").tobytes()


@pytest.mark.parametrize(
    ("format_", "options", "tolerance"),
    [
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "packbits"}, 0),
        ("TIFF", {"compression": "tiff_lzw", "big_tiff": True}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 95}, 5),
        ("JPEG", {"quality": 95}, 5),
        ("JPEG", {"quality": 95, "progressive": True}, 5),
        ("GIF", {}, 12),
    ],
)
def test_every_format(small, format_, options, tolerance):
    assert difference(decode(encode(small, format_, **options)), small) <= tolerance


@pytest.mark.parametrize("format_", ["GIF", "MPO", "TIFF", "WEBP", "PNG"])
def test_the_first_of_several_frames_counts(small, format_):
    data = encode(small, format_, save_all=True, append_images=[ImageOps.invert(small)])
    assert Image.open(BytesIO(data)).n_frames == 2
    assert difference(decode(data), small) < 15


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "LAB"])
def test_opaque_modes_become_what_pillow_converts_them_to(small, mode):
    image = small.convert("RGB").convert(mode)
    assert decode(encode(image, "TIFF")).tobytes() == image.convert("RGB").tobytes()


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
@pytest.mark.parametrize("format_", ["PNG", "WEBP", "TIFF"])
def test_alpha_lies_over_white(mode, format_):
    pixels = Image.new(mode, (3, 1))
    for x, alpha in enumerate((0, 128, 255)):
        pixels.putpixel((x, 0), (0,) * (len(mode) - 1) + (alpha,))
    options = {"lossless": True} if format_ == "WEBP" else {}
    assert np.asarray(decode(encode(pixels, format_, **options)))[0].tolist() == [[255] * 3, [127] * 3, [0] * 3]


def test_transparent_palette_entries_are_white():
    image = Image.new("P", (3, 1))
    image.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200])
    image.putdata([0, 1, 2])
    for data in (encode(image, "PNG", transparency=1), encode(image, "GIF", transparency=1)):
        assert np.asarray(decode(data))[0].tolist() == [[200, 0, 0], [255] * 3, [0, 0, 200]]
    half = decode(encode(image, "PNG", transparency=bytes([255, 0, 128])))
    assert np.asarray(half)[0].tolist() == [[200, 0, 0], [255] * 3, [127, 127, 227]]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (png(1, 0, b"\x40", transparent=b"\0\1"), [0, 255]),
        (png(8, 0, b"\x07\x80", transparent=b"\0\x07"), [255, 128]),
        (png(16, 0, b"\x00\x07\x80\x00", transparent=b"\0\x07"), [255, 128]),
        (png(8, 2, b"\7\7\7\x80\x80\x80", transparent=b"\0\7\0\7\0\7"), [255, 128]),
    ],
    ids=["1", "L", "I;16", "RGB"],
)
def test_a_png_s_transparent_colour_is_white(data, expected):
    assert np.asarray(decode(data))[0, :, 0].tolist() == expected


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        (np.uint16, [0, 257, 32768, 65535], [0, 1, 128, 255]),
        (np.int32, [-5, 257, 65535, 2**31 - 1], [0, 1, 255, 255]),
        (np.float32, [0, 0.5, 1, -3], [0, 128, 255, 0]),
        (np.float32, [0, 100.4, 255, -3], [0, 100, 255, 0]),
        (np.float32, [0, 257, 65535, 1e30], [0, 1, 255, 255]),
        (np.float32, [np.nan, np.inf, -np.inf, 1], [0, 255, 0, 0]),
    ],
)
def test_deep_grey_is_scaled_to_eight_bits(dtype, values, expected):
    pixels = np.asarray(decode(encode(Image.fromarray(np.array([values], dtype)), "TIFF")))
    assert pixels[0, :, 0].tolist() == expected
    assert (pixels == pixels[:, :, :1]).all()


def test_grey_of_sixteen_bits_agrees_with_its_eight_bit_copy(small):
    grey = small.convert("L")
    deep = Image.fromarray(np.asarray(grey, np.uint16) * 257)
    for format_ in ("PNG", "TIFF"):
        assert decode(encode(deep, format_)).tobytes() == grey.convert("RGB").tobytes()


@pytest.mark.parametrize(("format_", "options"), FORMATS_WITH_EXIF)
def test_all_eight_exif_orientations_give_the_upright_picture(small, format_, options):
    upright = decode(encode(small, format_, **options))
    for orientation in STORED_AS:
        assert difference(decode(oriented(small, orientation, format_, **options)), upright) < 3, orientation


@pytest.mark.parametrize(("format_", "options"), FORMATS_WITH_EXIF)
def test_the_stored_pixels_can_be_had(small, format_, options):
    for orientation, transpose in STORED_AS.items():
        stored = small if transpose is None else small.transpose(transpose)
        image = decode(oriented(small, orientation, format_, **options), apply_exif=False)
        assert difference(image, stored) < 8, orientation


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_counts_as_none(small, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert decode(encode(small, "PNG", exif=exif)).tobytes() == small.tobytes()


@pytest.mark.filterwarnings("ignore::UserWarning")  # as served: images.py switches Pillow's warnings off
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("cut", [7, 12, 20, 25])
def test_broken_exif_does_not_spoil_a_good_picture(small, format_, cut):
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a description that is longer than four bytes"
    data = encode(small, format_, exif=exif.tobytes()[:cut])
    assert difference(decode(data), decode(encode(small, format_))) == 0


def long_exif(entries: int) -> bytes:
    body = struct.pack("<HHII", 0x0112, 3, 1, 6) + b"".join(
        struct.pack("<HHII", 1000 + number, 3, 1, 7) for number in range(entries - 1)
    )
    return b"II*\0\x08\0\0\0" + struct.pack("<H", entries) + body + bytes(4)


def as_text(exif: bytes) -> PngInfo:
    """As ImageMagick writes it."""
    texts, block = PngInfo(), b"Exif\0\0" + exif
    texts.add_text("Raw profile type exif", f"\nexif\n{len(block):8}\n{block.hex()}\n", zip=True)
    return texts


@pytest.mark.parametrize(
    ("format_", "options"),
    [
        ("JPEG", lambda exif: {"exif": b"Exif\0\0" + exif}),
        ("WEBP", lambda exif: {"exif": exif}),
        ("PNG", lambda exif: {"exif": exif}),
        ("PNG", lambda exif: {"pnginfo": as_text(exif)}),
    ],
    ids=["JPEG", "WEBP", "PNG", "PNG's text"],
)
def test_exif_of_more_entries_than_any_program_writes_is_none(small, format_, options):
    """Pillow takes 2.5 us of each, and nobody else has the interpreter: 65,535 in a PNG of 800 kB took 0.17 s."""
    most, more = (decode(encode(small, format_, **options(long_exif(entries)))) for entries in (1000, 1001))
    assert most.size == small.size[::-1]
    assert more.size == small.size


@pytest.mark.parametrize("format_", ["JPEG", "MPO"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
@pytest.mark.parametrize("apply_exif", [True, False])
def test_the_draft_is_the_smallest_scale_that_suffices(photograph, format_, orientation, apply_exif):
    wide = photograph.crop((0, 0, 512, 256))
    data = oriented(wide, orientation, format_)
    turned = orientation in (6, 7) and not apply_exif
    for *asked, scale in [(257, 1, 1), (1, 129, 1), (256, 128, 2), (64, 65, 2), (128, 64, 4), (64, 32, 8), (1, 1, 8)]:
        image = decode(data, Size(*(asked[::-1] if turned else asked)), apply_exif=apply_exif)
        long, short = 512 // scale, 256 // scale
        assert image.size == ((short, long) if turned else (long, short)), asked


@pytest.mark.parametrize("side", [64, 128, 256])
def test_a_draft_looks_like_the_reduced_picture(photograph, side):
    data = encode(photograph, "JPEG", quality=95)
    reduced = decode(data).resize((side, side), Image.Resampling.BOX)
    assert difference(decode(data, Size(side, side)), reduced) < 1


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (700, 1), (9, 8)])
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_tiny_and_narrow_pictures(size, format_):
    image = decode(encode(Image.new("RGB", size, (255, 255, 255)), format_), Size(64, 64))
    assert image.size == size
    assert image.getextrema() == ((255, 255),) * 3


@pytest.mark.parametrize(("data", "known"), [(bytes(16), False), (b"RIFF\0\0\0\0WEBPVP8 ", True)])
def test_what_an_image_starts_with_is_known_before_the_first_is_opened(data, known):
    """Pillow learns its formats one by one; a server's first request may be no image."""
    code = f"from models.images import starts_as_image; print(starts_as_image({data!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == (str(known), "")


def test_no_plugin_is_loaded_but_those_of_the_formats_that_are_served(photograph):
    """Pillow's 45 took the first request of a server 0.1 s, in its event loop."""
    files = {}
    for name in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"):
        photograph.resize((8, 8)).save(buffer := BytesIO(), name)
        files[name] = buffer.getvalue()
    code = f"""
import sys
from models.errors import UnsupportedImageError
from models.images import decode, starts_as_image
for data in {files!r}.values():
    assert starts_as_image(data) and decode(data).size == (8, 8)
try:
    decode(b"P6 2 2 255 ............")
except UnsupportedImageError:
    print(*sorted(name for name in sys.modules if name.startswith("PIL.") and name.endswith("ImagePlugin")))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    loaded = {name.removeprefix("PIL.").removesuffix("ImagePlugin") for name in done.stdout.split()}
    assert {"Bmp", "Gif", "Jpeg", "Png", "Tiff", "WebP"} <= loaded, done.stderr
    assert loaded <= {"Bmp", "Gif", "Jpeg", "Png", "Tiff", "WebP", "Ppm", "Mpo", "Avif"}
