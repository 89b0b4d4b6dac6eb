"""Counts, as one says them."""

import pytest

from models.counted import counted


@pytest.mark.parametrize(
    ("number", "thing", "said"),
    [
        (0, "photo", "0 photos"),
        (1, "photo", "1 photo"),
        (2, "more file", "2 more files"),
        (1, "entry", "1 entry"),
        (1234, "entry", "1,234 entries"),
    ],
)
def test_one_is_no_plural(number, thing, said):
    assert counted(number, thing) == said
