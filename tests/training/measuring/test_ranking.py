import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from training.measuring.ranking import ranking_interval, recall_at_95_specificity, roc_auc


def test_auc_is_the_share_of_pairs_in_order():
    scores, positive = np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])
    assert roc_auc(scores, positive) == 0.75


@pytest.mark.parametrize("levels", [4, 10_000])
def test_auc_is_scikit_learn_s_with_ties_and_weights(levels):
    rng = np.random.default_rng(2)
    scores, positive = rng.integers(0, levels, 300) / levels, rng.random(300) < 0.3
    weights = rng.random(300)
    assert roc_auc(scores, positive, weights) == pytest.approx(roc_auc_score(positive, scores, sample_weight=weights))
    false_alarms, recalls, _ = roc_curve(positive, scores, drop_intermediate=False)
    assert recall_at_95_specificity(scores, positive) == recalls[false_alarms <= 0.05].max()


def test_recall_where_one_in_twenty_is_a_false_alarm():
    """The twenty negatives score 0, 1, …, 19: at most one of them may pass, so a positive needs more than 18."""
    scores = np.array([*range(20), 17.5, 18.5, 30, 40], float)
    positive = np.arange(24) >= 20
    assert recall_at_95_specificity(scores, positive) == 0.75


@pytest.mark.parametrize("ranking", [roc_auc, recall_at_95_specificity])
def test_a_weight_of_two_is_the_sample_twice(ranking):
    rng = np.random.default_rng(0)
    positive = rng.random(200) < 0.4
    scores, weights = rng.random(200) + 0.5 * positive, rng.integers(0, 4, 200)
    repeated = np.repeat(np.arange(200), weights)
    assert ranking(scores, positive, weights.astype(float)) == pytest.approx(
        ranking(scores[repeated], positive[repeated])
    )


@pytest.mark.parametrize("ranking", [roc_auc, recall_at_95_specificity])
def test_one_label_alone_cannot_be_ranked(ranking):
    assert np.isnan(ranking(np.array([0.1, 0.2]), np.array([True, True])))
    assert np.isnan(ranking(np.array([0.1, 0.2]), np.array([True, False]), np.array([1.0, 0.0])))


@pytest.mark.parametrize("ranking", [roc_auc, recall_at_95_specificity])
def test_the_interval_lies_around_the_figure_and_widens_with_dependence(ranking):
    rng = np.random.default_rng(1)
    positive = np.arange(400) % 2 == 1
    scores = np.repeat(rng.random(100), 4) + 0.6 * positive
    low, high = ranking_interval(ranking, scores, positive, np.arange(400))
    assert low < ranking(scores, positive) < high
    grouped = ranking_interval(ranking, scores, positive, np.repeat(np.arange(100), 4))
    assert grouped[1] - grouped[0] > high - low
