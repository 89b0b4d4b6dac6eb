import numpy as np
import pytest

from training.examples import softmax


@pytest.fixture(scope="module")
def answer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    learnt = softmax.main(folder)
    assert (folder / "softmax.png").is_file()
    return learnt


def test_softmax_of_one_to_four_is_the_talk_s(answer):
    expected = [0.0320586, 0.08714432, 0.23688284, 0.64391428]
    np.testing.assert_allclose(answer.probabilities, expected, rtol=0, atol=1e-6)


def test_probabilities_add_up_to_one_and_ignore_a_constant():
    scores = np.random.default_rng(0).normal(size=(7, 5)) * 10
    np.testing.assert_allclose(softmax.softmax(scores).sum(axis=1), 1)
    np.testing.assert_allclose(softmax.softmax(scores + 1000), softmax.softmax(scores), rtol=1e-9)
    assert np.isfinite(softmax.softmax(np.array([0.0, 1e6]))).all()


def test_one_layer_reads_most_digits(answer):
    assert answer.accuracy > 0.94
    assert answer.confusion.sum() == 450
    assert answer.accuracy == pytest.approx(np.trace(answer.confusion) / 450)
    assert answer.weights.shape == (64, 10)
