import numpy as np
import pytest

from training.examples import backpropagation
from training.examples.backpropagation import automatic, backward, forward


@pytest.mark.parametrize("seed", range(5))
def test_the_chain_rule_by_hand_is_automatic_differentiation(seed):
    weights, biases, (x, target, _) = np.random.default_rng(seed).normal(size=(3, 3))
    by_hand = backward(weights, forward(weights, biases, x), target)
    for hand, machine in zip(by_hand, automatic(weights, biases, x, target), strict=True):
        assert np.abs(hand).min() > 0
        np.testing.assert_allclose(hand, machine, rtol=1e-6, atol=0)


def test_it_is_the_slope_of_the_loss():
    weights, biases = np.array([0.5, -1.0, 2.0]), np.array([0.1, 0.2, -0.3])
    gradient = backward(weights, forward(weights, biases, 0.7), 0.4).weights
    for layer, step in enumerate(1e-6 * np.eye(3)):
        losses = [(forward(w, biases, 0.7)[-1] - 0.4) ** 2 / 2 for w in (weights - step, weights + step)]
        assert gradient[layer] == pytest.approx((losses[1] - losses[0]) / 2e-6, abs=1e-8)


def test_the_example_learns_its_target_and_its_gradients_agree(tmp_path):
    answer = backpropagation.main(tmp_path)
    for hand, machine in zip(answer.by_hand, answer.automatic, strict=True):
        np.testing.assert_allclose(hand, machine, atol=1e-6)
    assert answer.losses[-1] < 1e-6 < answer.losses[0]
    sizes = np.abs(answer.while_learning)
    assert (sizes[:, 0] < sizes[:, 1]).all(), "vanishing towards the input"
    assert (sizes[:, 1] < sizes[:, 2]).all()
    assert (tmp_path / "backpropagation.png").is_file()
