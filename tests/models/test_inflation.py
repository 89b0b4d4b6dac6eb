import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    assert list(inflater.feed(packed(b"whole") + b"more")) == [b"whole"]
    assert inflater.trailing == b"more"


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
