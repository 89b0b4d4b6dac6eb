"""What is estimated against what decoding takes, measured in a process of its own."""

import json
import subprocess
import sys
import textwrap
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from models.cost import Cost, estimate
from models.errors import ImageError, ImageTooLargeError
from models.images import ImageLimits, Size, decode

SIDE, SMALL = 1500, Size(64, 64)
NOISE_BYTES = 12 * 2**20  # of the interpreter's own, and of strips

MEASURE = textwrap.dedent("""
    import json, os, sys
    from pathlib import Path
    from models.cost import estimate
    from models.images import Size, decode

    def kib(name):
        return next(int(line.split()[1]) for line in Path("/proc/self/status").open() if line.startswith(name))

    for path in sorted(Path(sys.argv[1]).iterdir()):
        data = path.read_bytes()
        for at_least in (Size(64, 64), None):
            if os.fork():
                os.wait()
                continue
            before = kib("VmRSS")
            decode(data, at_least)
            taken = (kib("VmHWM") - before) * 1024
            print(json.dumps([path.name, at_least is None, estimate(data, at_least).bytes, taken]), flush=True)
            os._exit(0)
""")


def encode(image: Image.Image, format_: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def pictures(photograph: Image.Image) -> dict[str, bytes]:
    rgb = photograph.resize((SIDE, SIDE), Image.Resampling.NEAREST)
    grey, alpha = rgb.convert("L"), rgb.convert("RGBA")
    alpha.putalpha(grey)
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    turned = Image.Exif()
    turned[0x0112] = 6
    made = {
        "baseline.jpg": ("JPEG", rgb, {}),
        "progressive.jpg": ("JPEG", rgb, {"progressive": True}),
        "444.jpg": ("JPEG", rgb, {"progressive": True, "subsampling": 0}),
        "cmyk.jpg": ("JPEG", rgb.convert("CMYK"), {}),
        "turned.jpg": ("JPEG", rgb, {"exif": turned}),
        "rgb.png": ("PNG", rgb, {"compress_level": 1}),
        "turned.png": ("PNG", rgb, {"compress_level": 1, "exif": turned}),
        "grey.png": ("PNG", grey, {"compress_level": 1}),
        "bits.png": ("PNG", rgb.convert("1"), {"compress_level": 1}),
        "palette.png": ("PNG", rgb.convert("P"), {"compress_level": 1, "transparency": 3}),
        "alpha.png": ("PNG", alpha, {"compress_level": 1}),
        "grey_alpha.png": ("PNG", alpha.convert("LA"), {"compress_level": 1}),
        "deep.png": ("PNG", deep, {"compress_level": 1}),
        "lossy.webp": ("WEBP", rgb, {"method": 0}),
        "lossless.webp": ("WEBP", alpha, {"method": 0, "lossless": True, "quality": 0}),
        "still.gif": ("GIF", rgb.convert("P"), {}),
        "transparent.gif": ("GIF", rgb.convert("P"), {"transparency": 3}),
        "rgb.bmp": ("BMP", rgb, {}),
        "grey.bmp": ("BMP", grey, {}),
        "raw.tif": ("TIFF", rgb, {}),
        "turned.tif": ("TIFF", rgb, {"exif": turned}),
        "lzw.tif": ("TIFF", rgb, {"compression": "tiff_lzw"}),
        "jpeg.tif": ("TIFF", rgb, {"compression": "jpeg"}),
        "deep.tif": ("TIFF", deep, {"compression": "tiff_adobe_deflate"}),
        "floats.tif": ("TIFF", grey.convert("F"), {}),
        "picture.avif": ("AVIF", rgb, {"speed": 10}),
    }
    return {name: encode(image, format_, **options) for name, (format_, image, options) in made.items()}


@pytest.fixture(scope="module")
def measured(photograph, tmp_path_factory) -> list[tuple[str, bool, int, int]]:
    folder = tmp_path_factory.mktemp("pictures")
    for name, data in pictures(photograph).items():
        (folder / name).write_bytes(data)
    done = subprocess.run([sys.executable, "-c", MEASURE, folder], capture_output=True, text=True, check=True)
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def test_no_picture_takes_twice_what_was_estimated(measured):
    assert len(measured) == 52
    too_low = [one for one in measured if one[3] - NOISE_BYTES > 2 * one[2]]
    assert not too_low


def test_estimates_are_not_far_too_high(measured):
    """What is kept for nothing keeps others waiting."""
    too_high = [one for one in measured if one[2] > 3 * (one[3] + NOISE_BYTES) + 16 * 2**20]
    assert not too_high


def test_more_work_costs_more(photograph):
    small, large = photograph.resize((300, 300)), photograph.resize((1200, 1200))
    for format_, options in (("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("WEBP", {}), ("TIFF", {})):
        few, many = (estimate(encode(image, format_, **options), SMALL) for image in (small, large))
        assert few.pixels == 90_000
        assert many.pixels == 1_440_000
        assert few.seconds * 4 < many.seconds
        assert few.bytes < many.bytes
    baseline, progressive = (estimate(encode(large, "JPEG", progressive=one), SMALL) for one in (False, True))
    assert baseline.seconds < progressive.seconds
    assert baseline.bytes < progressive.bytes  # all coefficients are kept


def test_what_is_no_picture_costs_nothing():
    assert estimate(b"hello") == Cost()


@given(
    st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF....WEBP", b"GIF89a", b"BM", b"II*\0", b"MM\0+"]),
    st.binary(max_size=300),
)
@settings(max_examples=1500, deadline=None)
def test_any_bytes_have_a_cost_or_are_refused(start, rest):
    try:
        cost = estimate(start + rest, SMALL)
    except ImageError:
        return
    assert cost.bytes >= 0
    assert cost.seconds >= cost.held_s >= 0


FRAME, SCAN = b"\xff\xc0\0\x0b\x08\0\x10\0\x10\x01\x01\x11\0", b"\xff\xda\0\x08\x01\x01\0\0\x3f\0\x55\xff\xd9"


@given(
    st.lists(
        st.tuples(st.sampled_from([0xE0, 0xDB, 0xC4, 0xFE]), st.binary(max_size=20), st.integers(0, 3)), min_size=1
    )
)
@settings(deadline=None)
def test_of_a_jpeg_each_segment_and_each_byte_of_fill_is_a_part(segments):
    data, parts = b"\xff\xd8", len((FRAME, SCAN))
    for marker, payload, fill in segments:
        data += b"\xff" * (1 + fill) + bytes([marker]) + (2 + len(payload)).to_bytes(2, "big") + payload
        parts += 1 + fill
    data += FRAME + SCAN
    assert estimate(data, limits=ImageLimits(max_parts=parts)).pixels == 16 * 16
    with pytest.raises(ImageTooLargeError, match=f"more than {parts - 1} parts"):
        estimate(data, limits=ImageLimits(max_parts=parts - 1))


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_what_decodes_had_its_pixels_counted(photograph, data):
    """No mutation makes a picture that is larger than was estimated."""
    small = photograph.resize((48, 32))
    kind = data.draw(st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"]))
    mutant = bytearray(encode(small, kind))
    for _ in range(data.draw(st.integers(1, 4))):
        mutant[data.draw(st.integers(0, min(len(mutant), 400) - 1))] = data.draw(st.integers(0, 255))
    limits = ImageLimits(max_pixels=10**6)
    try:
        image = decode(bytes(mutant), limits=limits)
    except ImageError:
        return
    assert image.width * image.height <= estimate(bytes(mutant), limits=limits).pixels
