import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import RequestError, RequestTooLargeError
from serving.open_inference.messages import InferRequest, InputTensor
from serving.open_inference.tensors import read_image, write_bytes

SHAPE = (2, 3, 1)
MOST = 64


def request(data: object, shape: list[int], datatype: str = "BYTES") -> InferRequest:
    return InferRequest(inputs=[InputTensor(name="image", datatype=datatype, shape=shape, data=data)])


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_binary_elements_come_back_as_they_were(photos):
    assert read_image(request(write_bytes(photos), [len(photos)]), SHAPE, MOST) == photos
    assert read_image(request(photos, [len(photos), 1]), SHAPE, MOST) == photos


@given(st.binary(max_size=40))
def test_binary_elements_fill_the_tensor_or_are_refused(data):
    for count in range(3):
        try:
            photos = read_image(request(data, [count]), SHAPE, MOST)
        except RequestError:
            continue
        assert write_bytes(photos) == data


@given(st.lists(st.integers(0, 255), min_size=12, max_size=12))
def test_pixels_may_be_flat_nested_or_binary(numbers):
    expected = np.array(numbers, np.uint8).reshape(2, *SHAPE)
    for data in (numbers, expected.tolist(), bytes(numbers)):
        np.testing.assert_array_equal(read_image(request(data, [2, *SHAPE], "UINT8"), SHAPE, MOST), expected)


def test_a_short_length_does_not_reach_beyond_the_tensor():
    huge = (2**32 - 1).to_bytes(4, "little") + b"x"
    with pytest.raises(RequestError, match="ends in the middle of an element"):
        read_image(request(huge, [1]), SHAPE, MOST)


def test_more_photos_than_are_allowed_are_not_looked_at():
    with pytest.raises(RequestTooLargeError):
        read_image(request(write_bytes([b"x"] * 3), [3]), SHAPE, 2)
