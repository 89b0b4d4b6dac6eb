import numpy as np
import pytest

from training.graph.export import export
from training.graph.inference import OnnxClassifier
from training.graph.quarters import averages_over_turns
from training.graph.turning import averaged_over_turns
from training.networks.architectures import build
from training.photos.tasks import turn_array

SHAPE = (16, 16, 3)


@pytest.fixture(scope="module")
def network():
    network = build("small_cnn", SHAPE, 4, 0.0)
    network.layers[-1].set_weights([60 * weight for weight in network.layers[-1].get_weights()])  # surer, so unlike
    return network


@pytest.fixture
def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (9, *SHAPE), np.uint8)


def turned(pictures: np.ndarray, quarter_turns: int) -> np.ndarray:
    return np.stack([turn_array(picture, quarter_turns) for picture in pictures])


@pytest.mark.parametrize("turns", [2, 4])
def test_the_mean_is_of_what_the_network_says_of_each_turn(network, pictures, turns):
    """Label L of a picture is label L + k of the picture turned k times."""
    quarter_turns = range(0, 4, 4 // turns)
    each = [np.roll(network.predict(turned(pictures, k), verbose=0), -k, axis=1) for k in quarter_turns]
    mean = np.exp(np.log(each).mean(axis=0))
    expected = mean / mean.sum(axis=1, keepdims=True)
    assert np.abs(averaged_over_turns(network, turns).predict(pictures, verbose=0) - expected).max() < 1e-5


def test_the_file_s_answers_turn_with_the_picture(network, pictures):
    answers = [
        OnnxClassifier(export(averaged_over_turns(network, 4), pictures)).predict(turned(pictures, k)) for k in range(4)
    ]
    assert np.ptp(answers[0], axis=1).max() > 0.2  # or this would show nothing
    for k in range(4):
        assert np.abs(np.roll(answers[0], k, axis=1) - answers[k]).max() < 1e-5


def test_one_turn_is_the_network_itself(network):
    assert averaged_over_turns(network, 1) is network


def test_answers_for_all_turns_give_what_the_averaging_network_would_answer(network, pictures):
    all_turns = np.concatenate([turned(picture[None], k) for picture in pictures for k in range(4)])
    means = averages_over_turns(network.predict(all_turns, verbose=0))
    assert list(means) == [1, 2, 4]
    for turns, mean in means.items():
        expected = averaged_over_turns(network, turns).predict(all_turns, verbose=0)
        assert np.abs(mean / mean.sum(axis=1, keepdims=True) - expected).max() < 1e-5
