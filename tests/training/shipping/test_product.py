import numpy as np
import pytest

from training.measuring.evaluation import Answers
from training.shipping.product import fit_weight, product


def drawn(strength: float, labels: np.ndarray, seed: int) -> np.ndarray:
    """Answers about pictures that tell more of the true label the stronger they are."""
    scores = np.random.default_rng(seed).normal(size=(len(labels), 4))
    scores[np.arange(len(labels)), labels] += strength
    shares = np.exp(strength * scores)  # by Bayes: what such scores tell
    return (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 4, 4000)


def right(answers: np.ndarray, labels: np.ndarray) -> float:
    return float((answers.argmax(axis=1) == labels).mean())


def test_two_that_know_different_things_know_more_together(labels):
    large, small = drawn(2, labels, 2), drawn(1, labels, 3)
    weight = fit_weight(Answers(large, labels, ("s",) * 4000), small)
    assert weight == pytest.approx(1, abs=0.1), "both are calibrated and independent: their product is Bayes' answer"
    assert right(product(large, small, weight), labels) > right(large, labels) + 0.02


def test_who_only_guesses_has_no_weight(labels):
    large, guessed = drawn(2, labels, 2), drawn(1, np.roll(labels, 1), 3)
    assert fit_weight(Answers(large, labels, ("s",) * 4000), guessed) < 0.05


def test_a_share_of_nothing_does_not_make_it_infinite():
    sure = np.array([[1, 0, 0, 0]], np.float32)
    told = product(sure, np.array([[0, 1, 0, 0]], np.float32), 1)
    assert told[0].tolist() == pytest.approx([0.5, 0.5, 0, 0], abs=1e-3)
