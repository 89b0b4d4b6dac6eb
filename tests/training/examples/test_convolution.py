import keras
import numpy as np
import pytest
from scipy import ndimage, signal

from training.examples import convolution
from training.examples.convolution import KERNELS, change, conv2d, max_pool

PICTURE = np.random.default_rng(0).normal(size=(13, 18))


@pytest.mark.parametrize("name", KERNELS)
def test_it_is_scipy_s_correlation(name):
    photo, kernel = convolution.photo(), KERNELS[name]
    np.testing.assert_allclose(conv2d(photo, kernel), signal.correlate2d(photo, kernel, mode="valid"), atol=1e-6)
    same = ndimage.correlate(photo, kernel, mode="constant")
    np.testing.assert_allclose(conv2d(photo, kernel, padding="same"), same, atol=1e-6)


def test_convolution_proper_turns_the_kernel():
    kernel = np.random.default_rng(1).normal(size=(3, 5))
    turned = signal.convolve2d(PICTURE, kernel[::-1, ::-1], mode="valid")
    np.testing.assert_allclose(conv2d(PICTURE, kernel), turned, atol=1e-6)
    assert np.abs(conv2d(PICTURE, kernel) - signal.convolve2d(PICTURE, kernel, mode="valid")).max() > 0.1


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("stride", [1, 2, 3, 4])
@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (4, 4), (2, 5)])
def test_stride_and_padding_are_those_of_keras(padding, stride, shape):
    kernel = np.random.default_rng(2).normal(size=shape)
    expected = keras.ops.conv(
        PICTURE[None, ..., None].astype("float32"),
        kernel[..., None, None].astype("float32"),
        strides=stride,
        padding=padding,
    )
    np.testing.assert_allclose(conv2d(PICTURE, kernel, stride, padding), expected.numpy()[0, ..., 0], atol=1e-5)


def test_stride_leaves_out_what_lies_between():
    kernel = KERNELS["sharpen"]
    np.testing.assert_array_equal(conv2d(PICTURE, kernel, stride=2), conv2d(PICTURE, kernel)[::2, ::2])


def test_pooling_ignores_a_shift_within_its_cells_and_no_other():
    spot = np.zeros((8, 8))
    spot[4, 4] = 1
    np.testing.assert_array_equal(max_pool(np.roll(spot, 3, axis=1), 4), max_pool(spot, 4))
    assert not np.array_equal(max_pool(np.roll(spot, 4, axis=1), 4), max_pool(spot, 4))


def test_pooling_is_keras_pooling():
    expected = keras.ops.max_pool(PICTURE[None, ..., None], 4)
    np.testing.assert_allclose(max_pool(PICTURE, 4), expected.numpy()[0, ..., 0], rtol=1e-6)


def test_on_a_photo_pooling_makes_a_shift_matter_less(tmp_path):
    edges = np.abs(conv2d(convolution.photo(), KERNELS["all edges"]))
    changes = [change(edges, 1, cell) for cell in convolution.CELLS]
    assert changes == sorted(changes, reverse=True)
    assert changes[-1] < 0.2 * changes[0]
    assert change(edges, 0, 4) == 0
    convolution.main(tmp_path)
    assert (tmp_path / "convolution.png").is_file()
