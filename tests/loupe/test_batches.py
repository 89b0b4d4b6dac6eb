"""Photos are grouped within the limits, in order, and read no further ahead than one."""

from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from loupe.batches import Limits, batches
from loupe.errors import ImageError

LIMITS = Limits(max_images=3, max_bytes=2000)


@given(st.lists(st.binary(min_size=1, max_size=2500), max_size=20))
def test_nothing_is_lost_and_no_limit_passed(photos: list[bytes]):
    groups = list(batches(photos, LIMITS))
    assert [photo for group in groups for photo in group] == photos
    for group in groups:
        assert 1 <= len(group) <= LIMITS.max_images
        assert len(group) == 1 or sum(map(len, group)) < LIMITS.max_bytes


@given(st.lists(st.binary(min_size=1, max_size=900), min_size=2, max_size=20))
def test_no_group_could_have_held_the_next_photo(photos: list[bytes]):
    groups = list(batches(photos, LIMITS))
    for group, following in pairwise(groups):
        held = sum(len(photo) + 256 for photo in [*group, following[0]])
        assert len(group) == LIMITS.max_images or held > LIMITS.max_bytes


def test_they_are_read_as_they_are_needed():
    asked = []
    photos = (asked.append(number) or b"photo" for number in range(1_000_000))
    groups = batches(photos, LIMITS)
    assert len(next(groups)) == 3
    assert len(asked) == 4


def test_an_empty_file_is_told_by_its_name(tmp_path: Path):
    (tmp_path / "empty.jpg").write_bytes(b"")
    [read] = batches([tmp_path / "empty.jpg", b""], LIMITS)
    assert [str(one) for one in read] == ["empty.jpg is empty", "the photo is empty"]
    assert all(isinstance(one, ImageError) for one in read)


def test_a_file_that_is_not_there_stands_in_its_place(tmp_path: Path):
    [[first, second]] = batches([b"photo", tmp_path / "none.jpg"], LIMITS)
    assert first == b"photo"
    assert isinstance(second, ImageError)
    assert (second.error_type, second.status) == ("FileNotFoundError", None)
    assert str(second) == "none.jpg cannot be read: No such file or directory"
    assert str(tmp_path) not in str(second)
