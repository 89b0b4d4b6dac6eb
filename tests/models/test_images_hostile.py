"""Broken, cut and mutated pictures: decode raises ImageError and nothing else, and never shows half a picture."""

from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from models.errors import ImageError, ImageTooLargeError, UndecodableImageError, UnsupportedImageError
from models.images import ImageLimits, Size, decode

# As served: models/images.py switches Pillow's warnings off, pytest switches them on again.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

SAMPLES = {
    "jpeg": ("JPEG", {}),
    "progressive jpeg": ("JPEG", {"progressive": True}),
    "mpo": ("MPO", {"save_all": True}),
    "png": ("PNG", {}),
    "webp": ("WEBP", {}),
    "lossless webp": ("WEBP", {"lossless": True}),
    "gif": ("GIF", {}),
    "bmp": ("BMP", {}),
    "tiff": ("TIFF", {}),
    "lzw tiff": ("TIFF", {"compression": "tiff_lzw"}),
    "deflate tiff": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    "jpeg tiff": ("TIFF", {"compression": "jpeg"}),
}
MAGIC = [
    b"",
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"RIFF\x40\0\0\0WEBPVP8 ",
    b"GIF89a",
    b"BM",
    b"II\x2a\0\x08\0\0\0",
    b"MM\0\x2b\0\x08\0\0",
]


def encode(image: Image.Image, format_: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def samples(photograph: Image.Image) -> dict[str, bytes]:
    small = photograph.resize((48, 32))
    return {name: encode(small, format_, **options) for name, (format_, options) in SAMPLES.items()}


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("at_least", [None, Size(6, 4)], ids=["full", "draft"])
def test_a_cut_file_is_an_error_or_the_whole_picture(samples, name, at_least):
    """Nearly the whole of a JPEG, which lacks no more than its last lines."""
    data = samples[name]
    whole = decode(data, at_least)
    lines = int(whole.height * 0.95) if "jpeg" in name else whole.height
    there = whole.crop((0, 0, whole.width, lines)).tobytes()
    for end in range(16, len(data), max(1, len(data) // 200)):  # from 16 bytes on, every format can be told
        with suppress(UndecodableImageError):  # trailers and further frames may be missing: the first frame is whole
            assert decode(data[:end], at_least).crop((0, 0, whole.width, lines)).tobytes() == there, end


@pytest.mark.parametrize("name", SAMPLES)
def test_a_quarter_of_a_file_is_undecodable(samples, name):
    with pytest.raises(UndecodableImageError):
        decode(samples[name][: len(samples[name]) // 4])


@pytest.mark.parametrize("progressive", [True, False])
def test_a_cut_photograph_is_undecodable_at_every_scale(photograph, progressive):
    data = encode(photograph, "JPEG", progressive=progressive)
    for share in (0.3, 0.6, 0.9):
        for side in (512, 256, 64):
            with pytest.raises(UndecodableImageError, match=r"JPEG .* (it is cut off$|only \d+ % of it is there)"):
                decode(data[: int(len(data) * share)], Size(side, side))


@pytest.mark.parametrize("trailer", [b"", b"\0\0\x30\x0aSEFT" * 40, b"\xff\xd8\xff\xe0\0\x10 another picture"])
@pytest.mark.parametrize("progressive", [True, False])
def test_a_jpeg_that_lacks_its_end_marker_alone_is_read(photograph, progressive, trailer):
    """Some cameras and copies lose it; a maker's trailer may then stand where it was."""
    data = encode(photograph, "JPEG", progressive=progressive)
    for at_least in (None, Size(64, 64)):
        assert decode(data[:-2] + trailer, at_least).tobytes() == decode(data, at_least).tobytes()


def test_a_jpeg_that_lacks_its_last_lines_is_read_as_far_as_it_goes(photograph):
    data = encode(photograph, "JPEG")
    cut = decode(data[: int(len(data) * 0.985)])
    lines = (0, 0, photograph.width, int(photograph.height * 0.95))
    assert cut.crop(lines).tobytes() == decode(data).crop(lines).tobytes()
    assert cut.tobytes() != decode(data).tobytes()


def test_a_webp_that_tells_more_bytes_than_it_has_is_read_as_far_as_it_goes(photograph):
    data = encode(photograph, "WEBP")
    boastful = data[:4] + (len(data) + 1000).to_bytes(4, "little") + data[8:]
    assert decode(boastful).tobytes() == decode(data).tobytes()
    with pytest.raises(UndecodableImageError):
        decode(boastful[: len(data) // 2])


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"text, not an image", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7"]
)
def test_what_is_no_image_is_unsupported(data):
    with pytest.raises(UnsupportedImageError, match=r"is empty$|allowed are JPEG, MPO, PNG, WEBP, GIF, BMP, TIFF"):
        decode(data)


@pytest.mark.parametrize("format_", ["PPM", "ICO", "TGA", "JPEG2000", "PCX", "SGI", "DDS"])
def test_formats_that_pillow_alone_would_open_are_unsupported(photograph, format_):
    with pytest.raises(UnsupportedImageError):
        decode(encode(photograph.resize((32, 32)), format_))


@given(st.sampled_from(MAGIC), st.binary(max_size=300))
@settings(deadline=None, max_examples=300)
def test_random_bytes_raise_nothing_but_image_errors(magic, tail):
    with pytest.raises(ImageError):
        decode(magic + tail)


@pytest.mark.parametrize("name", SAMPLES)
@given(data=st.data())
@settings(deadline=None, max_examples=200)
def test_mutated_files_raise_nothing_but_image_errors(samples, name, data):
    mutant = bytearray(samples[name])
    places = st.one_of(st.integers(0, 200), st.integers(0, len(mutant) - 1))  # most of the structure is at the start
    for _ in range(data.draw(st.integers(1, 4))):
        start, cut = data.draw(places), data.draw(st.integers(0, 4))
        mutant[start : start + cut] = data.draw(st.binary(max_size=4))
    with suppress(ImageError):
        image = decode(bytes(mutant), Size(6, 4), ImageLimits(max_pixels=10**6))
        assert image.mode == "RGB"
        assert min(image.size) > 0


def test_limits_are_inclusive(photograph):
    data = encode(photograph, "PNG")
    exact = ImageLimits(max_bytes=len(data), max_pixels=512 * 512)
    assert decode(data, limits=exact).size == (512, 512)
    with pytest.raises(ImageTooLargeError, match=rf"{len(data)} bytes; at most {len(data) - 1}"):
        decode(data, limits=ImageLimits(max_bytes=len(data) - 1))
    with pytest.raises(ImageTooLargeError, match=r"512 x 512 pixels; at most 0\.262143 megapixels"):
        decode(data, limits=ImageLimits(max_pixels=512 * 512 - 1))
