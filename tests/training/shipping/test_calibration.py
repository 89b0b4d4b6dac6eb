import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from models.metadata import Label
from training.measuring.evaluation import Answers
from training.shipping.calibration import CONFIDENCE, certain_from, with_certainty

answers = st.lists(st.tuples(st.integers(0, 20).map(lambda n: n / 20), st.booleans()), max_size=120)


def ranked(count: int, wrong_at: tuple[int, ...] = ()) -> tuple[np.ndarray, np.ndarray]:
    """``count`` answers from the surest to the least sure, 0.999, 0.998, …; those at these places are wrong."""
    right = np.ones(count, bool)
    right[list(wrong_at)] = False
    return 0.999 - np.arange(count) / 1000, right


def is_certain_enough(count: int, wrong: int, allowed: float) -> bool:
    """Clopper-Pearson by its meaning: at this error rate, so few wrong ones would be seen in 5 % of all samples."""
    return count > wrong and binom.cdf(wrong, count, allowed) <= 1 - CONFIDENCE + 1e-12


@pytest.mark.parametrize(
    ("allowed", "wrong", "needed"),
    [(0.05, 0, 59), (0.05, 1, 93), (0.05, 2, 124), (0.01, 0, 299), (0.03, 0, 99), (0.10, 0, 29)],
)
def test_the_known_sizes_of_samples(allowed, wrong, needed):
    """Of 59 answers none, of 93 one, of 124 two may be wrong to be 95 % sure of at most 5 % (Wilks' sample sizes).

    Trying many thresholds costs something on top, but less than a quarter.
    """
    places = tuple(range(wrong))  # the surest are the wrong ones, so that only all together are enough
    assert certain_from(*ranked(needed - 1, places), allowed) is None
    probability, right = ranked(needed * 5 // 4, places)
    threshold = certain_from(probability, right, allowed)
    assert threshold is not None
    assert threshold <= probability[needed - 1]


def test_the_threshold_lies_where_errors_begin():
    probability, right = ranked(400, tuple(range(200, 400)))
    threshold = certain_from(probability, right, 0.05)
    assert threshold is not None
    assert 190 < (probability >= threshold).sum() < 210


@pytest.mark.parametrize("count", [0, 1, 2, 5, 10, 20, 58])
def test_few_answers_prove_nothing_even_if_all_are_right(count):
    assert certain_from(*ranked(count), 0.05) is None
    assert certain_from(np.full(count, 0.9), np.ones(count, bool), 0.05) is None


def test_what_cannot_be_attained_is_none():
    assert certain_from(*ranked(500, tuple(range(0, 500, 5))), 0.05) is None


def test_answers_of_one_probability_stand_or_fall_together():
    probability = np.full(100, 0.9)
    right = np.ones(100, bool)
    right[60:] = False
    assert certain_from(probability, right, 0.05) is None, "the first 59 are right, but the others are as sure"
    assert certain_from(np.full(65, 0.9), np.ones(65, bool), 0.05) == 0.9


def test_four_turns_of_a_photo_are_not_four_photos():
    """Sixty right answers prove 5 %; those of fifteen photos, four of each, don't, and those of 75 photos do."""
    assert certain_from(*ranked(60), 0.05) is not None
    assert certain_from(*ranked(60), 0.05, np.arange(60) // 4) is None
    assert certain_from(*ranked(300), 0.05, np.arange(300) // 4) is not None


@given(answers, st.floats(0.01, 0.6))
@settings(max_examples=40)
def test_whatever_is_chosen_keeps_the_promise(drawn, allowed):
    probability = np.array([p for p, _ in drawn], float)
    right = np.array([r for _, r in drawn], bool)
    threshold = certain_from(probability, right, allowed)
    if threshold is not None:
        certain = probability >= threshold
        assert threshold in probability
        assert is_certain_enough(int(certain.sum()), int((~right[certain]).sum()), allowed)


def test_a_stricter_promise_never_lowers_the_threshold():
    probability, right = ranked(900, tuple(range(400, 900, 7)))
    thresholds = [certain_from(probability, right, allowed) for allowed in (0.001, 0.01, 0.03, 0.05, 0.1, 0.2)]
    assert thresholds[0] is None, "900 answers cannot prove one in a thousand"
    attained = thresholds[1:]
    assert None not in attained
    assert attained == sorted(attained, reverse=True)
    assert attained[0] > attained[-1]


def test_each_label_gets_its_own_threshold(trained):
    """Answers with the first label are always right, those with the second in half of the cases."""
    second = np.concatenate([np.linspace(0.01, 0.4, 80), np.linspace(0.6, 0.99, 80)]).astype(np.float32)
    labels = np.concatenate([np.zeros(80, int), np.arange(80) % 2])
    told = Answers(np.stack([1 - second, second], axis=1), labels, ("s",) * 160)
    before = trained.metadata
    first, other = with_certainty(before, told, 0.05).labels
    assert first.certain_from == pytest.approx(0.6)
    assert other.certain_from is None
    assert (first.name, other.name) == before.label_names


def test_the_threshold_follows_the_decision_rule(trained):
    """From 0.8 on the second label is answered; an answer of 0.7 is one of the first label, at 0.3."""
    metadata = trained.metadata.model_copy(update={"decision_threshold": 0.8})
    told = Answers(np.array([[0.3, 0.7]] * 70, np.float32), np.zeros(70, int), ("s",) * 70)
    first, second = with_certainty(metadata, told, 0.05).labels
    assert first.certain_from == pytest.approx(0.3)
    assert second.certain_from is None


def test_attributes_of_labels_are_kept(trained):
    labels = (Label(name="a", attributes={"x": 1}), Label(name="b"))
    metadata = trained.metadata.model_copy(update={"labels": labels})
    told = Answers(np.array([[0.9, 0.1]], np.float32), np.array([0]), ("s",))
    assert with_certainty(metadata, told, 0.05).labels[0].attributes == {"x": 1}
