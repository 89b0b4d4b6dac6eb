import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.measuring.reliability import BINS, coverage_at, error_by_chance, reliability, risk_coverage


def test_bins_hold_equally_many_answers():
    bins = reliability(np.linspace(0.5, 1, 1500), np.ones(1500, bool))
    assert bins.count == pytest.approx(np.full(BINS, 100), abs=1)
    assert (np.diff(bins.probability) > 0).all()


def test_the_error_of_one_who_always_says_90_percent():
    right = np.arange(1000) % 10 < 7
    assert reliability(np.full(1000, 0.9), right).error == pytest.approx(0.2)


def test_the_error_is_that_of_each_bin_and_not_of_the_mean():
    """Too sure below, too modest above: on average right, and still wrong by 0.2."""
    probability, right = np.repeat([0.6, 0.8], 500), np.concatenate([np.arange(500) % 10 < 4, np.ones(500, bool)])
    assert probability.mean() == pytest.approx(right.mean(), abs=0.01)
    assert reliability(probability, right).error == pytest.approx(0.2)


def test_calibrated_answers_show_the_error_of_chance_and_no_more():
    rng = np.random.default_rng(5)
    probability = rng.uniform(0.5, 1, 3000)
    errors = [reliability(probability, rng.random(3000) < probability).error for _ in range(20)]
    assert error_by_chance(probability) == pytest.approx(np.mean(errors), rel=0.2)
    assert error_by_chance(probability[:300]) > 2.5 * error_by_chance(probability), "few answers look worse"


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
@settings(deadline=None)
def test_whatever_is_answered_gives_figures_between_0_and_1(drawn):
    probability, right = np.array([p for p, _ in drawn]), np.array([r for _, r in drawn])
    bins = reliability(probability, right)
    assert bins.count.sum() == len(drawn)
    assert 0 <= bins.error <= 1
    assert all(0 <= point.accuracy <= 1 for point in risk_coverage(probability, right))
    assert coverage_at(0, probability, right) == 1


def test_risk_and_coverage_of_answers_whose_errors_are_the_unsurest():
    probability, right = np.linspace(1, 0.5, 200), np.arange(200) < 180
    points = {point.coverage: point.accuracy for point in risk_coverage(probability, right)}
    assert list(points) == pytest.approx([1, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5])
    assert points[1.0] == 0.9
    assert points[0.95] == pytest.approx(180 / 190)
    assert points[0.9] == points[0.5] == 1
    assert coverage_at(0.99, probability, right) == pytest.approx(181 / 200)
    assert coverage_at(0.995, probability, right) == 0.9


def test_what_is_never_right_enough_covers_nothing():
    assert coverage_at(0.99, np.array([0.9, 0.8]), np.array([False, True])) == 0
