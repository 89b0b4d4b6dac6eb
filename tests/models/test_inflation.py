import struct
import tracemalloc
import zlib
from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from models.errors import UndecodableImageError
from models.images import decode
from models.inflation import GZIP, PIECE_BYTES, ZLIB, Inflater, SwollenError, inflate

MIB = 1024 * 1024


def packed(data: bytes, window: int = ZLIB) -> bytes:
    packer = zlib.compressobj(wbits=window)
    return packer.compress(data) + packer.flush()


@given(st.binary(max_size=2000), st.sampled_from([ZLIB, GZIP]))
def test_what_was_packed_comes_out(data, window):
    assert inflate(packed(data, window), len(data), window) == data


@pytest.mark.parametrize("size", [1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES])
def test_the_limit_is_exact(size):
    assert inflate(packed(bytes(size)), size) == bytes(size)
    with pytest.raises(SwollenError, match=f"more than the {size - 1} bytes"):
        inflate(packed(bytes(size)), size - 1)


def test_pieces_are_small_however_little_is_fed():
    inflater = Inflater(10 * MIB)
    fed = packed(bytes(10 * MIB))
    pieces = [piece for start in range(0, len(fed), 100) for piece in inflater.feed(fed[start : start + 100])]
    assert b"".join(pieces) == bytes(10 * MIB)
    assert max(map(len, pieces)) <= PIECE_BYTES
    assert inflater.finished
    assert inflater.inflated == 10 * MIB


def test_what_stands_behind_the_end_is_told():
    inflater = Inflater(10)
    assert list(inflater.feed(packed(b"whole"))) == [b"whole"]
    assert not inflater.trailing
    assert list(inflater.feed(b"more")) == []
    assert inflater.trailing
    joined = Inflater(10)
    assert list(joined.feed(packed(b"whole") + b"more")) == [b"whole"]
    assert joined.trailing


def test_what_stands_behind_the_end_is_not_kept():
    """zlib copied all of it for each chunk: 64 MiB of zeros behind a gzip of one byte took the event loop for 5 s."""
    inflater, behind = Inflater(10), bytes(MIB)
    tracemalloc.start()
    try:
        for chunk in (packed(b"whole"), *[behind] * 8):
            list(inflater.feed(chunk))
        assert tracemalloc.get_traced_memory()[1] < MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("data", [packed(bytes(MIB))[:-10], b"", b"no stream at all"])
def test_broken_streams_are_errors(data):
    with pytest.raises(zlib.error):
        inflate(data, MIB)


def test_a_bomb_costs_no_more_than_the_limit():
    bomb = packed(bytes(300 * MIB))
    tracemalloc.start()
    try:
        with pytest.raises(SwollenError):
            inflate(bomb, MIB)
        assert tracemalloc.get_traced_memory()[1] < 4 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("kind", "head"),
    [(b"iCCP", b"profile\0\0"), (b"zTXt", b"Raw profile type exif\0\0"), (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0")],
)
def test_what_pillow_unpacks_besides_pixels_is_bounded_too(kind, head):
    """A profile, EXIF and XMP of 40 MB in a PNG: Pillow stops at a megabyte of each."""
    swollen = png_with((kind, head + packed(bytes(40 * MIB))))
    assert peak_of(swollen) < 4 * MIB


def test_so_is_all_text_of_a_png_together():
    several = [(b"zTXt", b"Comment\0\0" + packed(bytes(MIB - 100)))] * 100
    assert peak_of(png_with(*several)) < 70 * MIB


def png_with(*chunks: tuple[bytes, bytes]) -> bytes:
    buffer = BytesIO()
    Image.new("L", (8, 8)).save(buffer, "PNG")
    png = buffer.getvalue()
    added = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return png[:33] + b"".join(added) + png[33:]


def peak_of(png: bytes) -> int:
    """Bytes that Python holds at most while the picture is decoded, or refused as broken."""
    tracemalloc.start()
    try:
        with suppress(UndecodableImageError):
            decode(png)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
