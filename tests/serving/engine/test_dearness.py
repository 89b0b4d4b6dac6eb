"""Which pictures get a process of their own: those that made others wait, or a core busy, for seconds."""

import struct
import zlib
from io import BytesIO

import pytest
from PIL import Image

from models.cost import estimate
from models.limits import Size
from serving.engine.workshop import Workshop
from serving.upright.photo_file import PhotoFile
from serving.upright.tasks import turning

SIDE = 7000
AT_LEAST = Size(224, 224)


def png(depth: int, colour: int, interlaced: int) -> bytes:
    """As far as what it costs is told."""
    head = b"IHDR" + struct.pack(">IIBBBBB", SIDE, SIDE, depth, colour, 0, 0, interlaced)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head)) + bytes(12)


def lossless_webp() -> bytes:
    """The head of what was 38 bytes in all, 1.7 s and 560 MB."""
    chunk = b"VP8L" + struct.pack("<IBI", 13, 0x2F, SIDE - 1 | (SIDE - 1) << 14) + bytes(9)
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def run_lengths() -> bytes:
    """A BMP whose lines are all left out."""
    codes = bytes(2) * SIDE + b"\0\1"
    head = struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, 8, 1, len(codes), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 1024 + len(codes), 0, 0, 54 + 1024) + head + bytes(1024) + codes


def jpeg(size: tuple[int, int]) -> bytes:
    buffer = BytesIO()
    Image.new("L", size).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def workshop():
    made = Workshop(threads=1, max_queue=1, max_bytes=4 << 30)
    yield made
    made.close()


@pytest.mark.parametrize(
    "data",
    [png(16, 6, 1), png(8, 6, 0), lossless_webp(), run_lengths()],
    ids=["png of 16 bits, interlaced", "png with alpha", "webp", "bmp of run lengths"],
)
def test_what_takes_seconds_has_a_process(workshop, data):
    assert workshop.is_dear(estimate(data, AT_LEAST))


def test_so_has_the_turn_of_a_large_jpeg_s_coefficients(workshop):
    """Its library holds the interpreter: three of them kept ``/health/live`` waiting for 1.5 s."""
    data = jpeg((SIDE, SIDE))
    cost = estimate(data, AT_LEAST)
    photo = PhotoFile(data, "JPEG", 1)
    assert workshop.is_dear(turning(photo, 90, "pixels", cost, 10).cost)
    assert not workshop.is_dear(turning(photo, 90, "tag", cost, 10).cost)


def test_ordinary_photos_have_none(workshop):
    for size in ((640, 480), (4000, 3000)):
        assert not workshop.is_dear(estimate(jpeg(size), AT_LEAST))
