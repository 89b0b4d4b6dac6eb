import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.engine.batch_sizes import fixed_sizes, stack


@pytest.mark.parametrize(
    ("max_batch", "sizes"), [(1, (1,)), (2, (1, 2)), (3, (1, 2, 3)), (32, (1, 2, 4, 8, 16, 32)), (5, (1, 2, 4, 5))]
)
def test_sizes_are_powers_of_two_and_the_largest(max_batch, sizes):
    assert fixed_sizes(max_batch) == sizes


@given(max_batch=st.integers(1, 70), data=st.data())
def test_a_batch_is_filled_up_to_the_next_size_and_less_than_doubled(max_batch, data):
    count = data.draw(st.integers(1, max_batch))
    images = [np.full((2, 3, 1), 1 + number, np.uint8) for number in range(count)]
    sizes = fixed_sizes(max_batch)
    batch = stack(images, sizes)
    assert batch.shape[1:] == (2, 3, 1)
    assert len(batch) in sizes
    assert count <= len(batch) < 2 * count
    assert (batch[:count] == np.stack(images)).all()
    assert not batch[count:].any()


def test_without_sizes_nothing_is_added():
    images = [np.ones((2, 2, 3), np.uint8)] * 3
    assert stack(images, ()).shape == (3, 2, 2, 3)
