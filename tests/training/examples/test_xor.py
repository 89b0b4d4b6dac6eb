import numpy as np
import pytest

from training.examples import xor


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    result = xor.main(folder)
    assert (folder / "xor.png").is_file()
    return result


def test_all_sizes_of_the_talk_are_tried(learnt):
    assert list(learnt) == [0, 1, 2, 3, 4, 5, 20, 50]


@pytest.mark.parametrize("hidden", [2, 3, 4, 5, 20, 50])
def test_a_hidden_layer_gets_all_four_points(learnt, hidden):
    assert learnt[hidden].accuracy == 1.0
    corners = np.searchsorted(xor.SIDE, [0, 1])
    assert ((learnt[hidden].plane[np.ix_(corners, corners)] > 0.5) == [[0, 1], [1, 0]]).all()


@pytest.mark.parametrize("hidden", [0, 1])
def test_one_straight_border_cannot(learnt, hidden):
    assert learnt[hidden].accuracy <= 0.75


def test_one_neuron_answers_one_half(learnt):
    corners = np.searchsorted(xor.SIDE, [0, 1])
    np.testing.assert_allclose(learnt[0].plane[np.ix_(corners, corners)], 0.5, atol=0.05)
