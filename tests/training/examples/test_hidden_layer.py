import numpy as np
import pytest

from training.examples import hidden_layer


@pytest.fixture(scope="module")
def answer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    learnt = hidden_layer.main(folder)
    assert (folder / "hidden_layer.png").is_file()
    return learnt


def test_ten_units_have_31_parameters():
    assert hidden_layer.network().count_params() == 31


def test_ten_are_learnt_from_and_five_held_out():
    assert (len(hidden_layer.LEARNT), len(hidden_layer.HELD_OUT)) == (10, 5)
    assert not set(hidden_layer.LEARNT) & set(hidden_layer.HELD_OUT)


def test_the_end_is_closer_than_a_line_to_what_was_learnt_and_farther_from_what_was_not(answer):
    assert answer.learnt[-1] < 0.2 * answer.line_learnt
    assert answer.held_out[-1] > answer.line_held_out
    assert answer.held_out[-1] > 1.5 * answer.held_out[answer.best]


def test_stopped_in_time_the_curve_is_better_than_the_line_on_both(answer):
    assert 0 < answer.best < hidden_layer.EPOCHS - 1
    assert answer.learnt[answer.best] < answer.line_learnt
    assert answer.held_out[answer.best] < answer.line_held_out


def test_the_line_is_the_least_squares_line(answer):
    x, y = (values[hidden_layer.LEARNT] for values in (hidden_layer.FAHRENHEIT, hidden_layer.CHIRPS_PER_S))
    assert answer.line_learnt == pytest.approx(y.var() * (1 - np.corrcoef(x, y)[0, 1] ** 2))
