import struct
from io import BytesIO

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from models.images import decode
from models.tiff import tile_pixels


def tiled(side: int, **options: object) -> bytes:
    buffer = BytesIO()
    pixels = np.arange(100 * 60 * 3, dtype=np.uint8).reshape(60, 100, 3)
    tifffile.imwrite(buffer, pixels, tile=(side, 2 * side), photometric="rgb", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_it_agrees_with_what_tifffile_wrote(byteorder, bigtiff):
    data = tiled(32, byteorder=byteorder, bigtiff=bigtiff)
    assert tile_pixels(data) == 32 * 64
    if not (bigtiff and byteorder == ">"):  # libtiff reads those, Pillow does not
        assert decode(data).size == (100, 60)


def test_ordinary_tiles_decode_to_their_pixels():
    pixels = np.asarray(decode(tiled(16, compression="deflate")))
    assert pixels.tobytes() == np.arange(100 * 60 * 3, dtype=np.uint8).tobytes()


@pytest.mark.parametrize("data", [b"", b"II", b"\xff\xd8\xff\xe0" + bytes(50), b"II\x2a\0\xff\xff\xff\xff"])
def test_what_has_no_tiles_has_none(data):
    assert tile_pixels(data) == 0


def test_a_directory_of_many_entries_is_read_to_libtiff_s_limit_only():
    entries = struct.pack("<HHII", 254, 4, 1, 0) * 70_000 + struct.pack("<HHII", 322, 4, 1, 99) * 2
    assert tile_pixels(b"II\x2b\0\x08\0\0\0" + struct.pack("<QQ", 16, 2**64 - 1) + entries) == 0


@given(
    st.sampled_from([b"II\x2a\0", b"MM\0\x2a", b"II\x2b\0\x08\0\0\0", b"MM\0\x2b\0\x08\0\0"]), st.binary(max_size=200)
)
def test_random_directories_raise_nothing(magic, tail):
    assert tile_pixels(magic + tail) >= 0
