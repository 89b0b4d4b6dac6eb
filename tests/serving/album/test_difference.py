import numpy as np
import pytest

from serving.album.difference import Patch, difference, restored

OLD = bytes(range(256)) * 40


@pytest.mark.parametrize(
    ("new", "kept"),
    [
        (OLD, 0),
        (OLD[:100] + b"?" + OLD[101:5000] + b"??" + OLD[5002:], 3),  # in place, far apart
        (OLD[:100] + b"inserted" + OLD[100:], 0),
        (OLD[:100] + OLD[110:], 10),
        (b"?" + OLD[1:] + b"appended", 1),  # as a TIFF is that gets a tag
        (b"", len(OLD)),
        (b"something else", len(OLD)),
    ],
)
def test_the_old_bytes_come_back_from_few(new, kept):
    patches = difference(OLD, new)
    assert restored(new, patches) == OLD
    assert sum(len(patch.old) for patch in patches) <= kept
    assert [Patch.from_json(patch.to_json()) for patch in patches] == patches


def test_any_two_files_are_told_apart():
    generator = np.random.default_rng(0)
    for _ in range(500):
        old, new = (generator.integers(0, 3, generator.integers(0, 40)).astype(np.uint8).tobytes() for _ in range(2))
        assert restored(new, difference(old, new)) == old
