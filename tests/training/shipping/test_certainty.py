"""Whether the stated error rate holds: thresholds are chosen on answers drawn from a truth that is known."""

from collections.abc import Callable

import numpy as np
import pytest

from models.repository import read_metadata
from training.measuring.evaluation import Answers
from training.shipping.calibration import certain_from, with_certainty

Errors = Callable[[np.ndarray], np.ndarray]
TRIALS = 200


def true_errors(errors: Errors, allowed: float, photos: int, turns: int, together: bool) -> list[float | None]:
    """For each trial the share that is wrong in truth among what was called certain; None: nothing was.

    ``errors`` gives the chance of an error by the rank of an answer, from 0 (surest) to 1. The turns of a photo are
    equally sure, and wrong ``together`` or each for itself.
    """
    rng = np.random.default_rng(7)
    found: list[float | None] = []
    for _ in range(TRIALS):
        rank = np.repeat(rng.random(photos), turns)
        luck = np.repeat(rng.random(photos), turns) if together else rng.random(photos * turns)
        groups = np.repeat(np.arange(photos), turns)
        threshold = certain_from(1 - rank, luck >= errors(rank), allowed, groups)
        found.append(None if threshold is None else float(errors(np.linspace(0, 1 - threshold, 1000)).mean()))
    return found


@pytest.mark.parametrize(
    ("errors", "allowed", "photos", "turns", "together"),
    [
        pytest.param(lambda rank: np.full_like(rank, 0.031), 0.03, 400, 1, False, id="a-little-too-many-everywhere"),
        pytest.param(lambda rank: 0.02 + 0.04 * rank, 0.03, 400, 1, False, id="rising-slowly"),
        pytest.param(lambda rank: 0.001 + 0.3 * rank**5, 0.03, 400, 1, False, id="rising-at-the-end"),
        pytest.param(lambda rank: np.full_like(rank, 0.031), 0.03, 250, 4, True, id="four-turns-wrong-together"),
        pytest.param(lambda rank: 0.001 + 0.3 * rank**5, 0.03, 250, 4, False, id="four-turns-each-for-itself"),
    ],
)
def test_the_stated_error_rate_holds_in_95_percent_of_the_cases(errors, allowed, photos, turns, together):
    found = true_errors(errors, allowed, photos, turns, together)
    broken = sum(error is not None and error > allowed for error in found)
    assert broken <= 0.05 * TRIALS + 2 * (0.05 * 0.95 * TRIALS) ** 0.5


def test_to_count_turns_as_photos_would_break_the_promise_often():
    """Why groups are counted: the same answers, taken for independent."""
    rng, broken = np.random.default_rng(7), 0
    for _ in range(TRIALS):
        rank, luck = (np.repeat(rng.random(250), 4) for _ in range(2))
        broken += certain_from(1 - rank, luck >= 0.031, 0.03) is not None
    assert broken > 0.15 * TRIALS


def test_most_good_answers_are_called_certain():
    found = [error for error in true_errors(lambda rank: 0.2 * rank**8, 0.03, 800, 1, False) if error is not None]
    assert len(found) == TRIALS
    assert np.mean(found) > 0.005, "the promise is not kept by calling hardly anything certain"


def test_turned_labels_share_one_threshold_and_each_may_have_its_own(workshop):
    """Of 800 answers, those with the last label are all wrong where the model is not quite sure."""
    probability = np.linspace(0.999, 0.4, 800)
    answered = np.arange(800) % 4
    rows = np.repeat((1 - probability[:, None]) / 3, 4, axis=1)
    rows[np.arange(800), answered] = probability
    labels = np.where((answered == 3) & (probability < 0.7), 0, answered)
    told = Answers(rows.astype(np.float32), labels, ("s",) * 800)
    metadata = read_metadata(workshop.sky_model())
    shared = {label.certain_from for label in with_certainty(metadata, told, 0.05, together=True).labels}
    *others, last = (label.certain_from for label in with_certainty(metadata, told, 0.05).labels)
    assert others == pytest.approx([0.4] * 3, abs=0.02)
    assert last == pytest.approx(0.7, abs=0.02)
    assert len(shared) == 1
    assert 0.5 < shared.pop() < 0.7
