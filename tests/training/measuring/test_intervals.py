import numpy as np
import pytest

from training.measuring.intervals import accuracy_interval, bootstrap_interval


def share(right):
    return lambda weights: float(weights @ right / weights.sum())


def test_the_interval_of_independent_answers_is_the_textbook_s():
    """Of 1,000 answers 90 % are right: 1.96 standard errors are 1.86 points."""
    right = np.arange(1000) % 10 > 0
    low, high = accuracy_interval(right, np.arange(1000))
    assert low == pytest.approx(0.9 - 0.0186, abs=0.003)
    assert high == pytest.approx(0.9 + 0.0186, abs=0.003)


def test_four_turns_that_are_right_or_wrong_together_count_once():
    photos = np.arange(250) % 10 > 0
    right, groups = np.repeat(photos, 4), np.repeat(np.arange(250), 4)
    assert accuracy_interval(right, groups) == accuracy_interval(photos, np.arange(250))
    (low, high), (narrow_low, narrow_high) = accuracy_interval(right, groups), accuracy_interval(right, np.arange(1000))
    assert high - low > 1.7 * (narrow_high - narrow_low)


@pytest.mark.parametrize(("right", "interval"), [(True, (0.6915, 1)), (False, (0, 0.3085))])
def test_no_error_among_few_groups_proves_little(right, interval):
    """Ten groups without an error: Clopper and Pearson say at least 69.15 %; the forty answers don't count."""
    found = accuracy_interval(np.full(40, right), np.repeat(np.arange(5, 15), 4))
    assert found == pytest.approx(interval, abs=1e-4)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    """Photos differ in difficulty, and their four turns with them."""
    rng, held, trials = np.random.default_rng(3), 0, 100
    for _ in range(trials):
        difficulty = rng.beta(9, 1, 200)  # of mean 0.9
        right = rng.random((200, 4)) < difficulty[:, None]
        low, high = accuracy_interval(right.ravel(), np.repeat(np.arange(200), 4))
        held += low <= 0.9 <= high
    assert held >= 87, "95 expected, with a standard deviation of 2.2"


def test_draws_for_which_nothing_can_be_said_are_left_out():
    right = np.array([True, False, True, True])
    assert bootstrap_interval(np.arange(4), lambda w: share(right)(w) if w[1] else float("nan"))[0] > 0


def test_the_interval_is_the_same_at_each_call():
    right = np.random.default_rng(0).random(300) < 0.7
    assert accuracy_interval(right, np.arange(300)) == accuracy_interval(right, np.arange(300))
