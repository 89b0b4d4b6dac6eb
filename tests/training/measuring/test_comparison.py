import numpy as np
import pytest

from models.errors import TrainingError
from models.repository import read_metadata
from training.measuring.comparison import compare, compare_answers
from training.measuring.evaluation import Answers
from training.photos.manifest import Manifest
from training.photos.scan import scan
from training.photos.tasks import ORIENTATION


def answers(chosen: list[int], groups: tuple[str, ...] = ()) -> Answers:
    """All are ``up`` in truth."""
    return Answers(np.eye(4, dtype=np.float32)[chosen], np.zeros(len(chosen), np.int64), ("s",) * len(chosen), groups)


def test_a_model_beside_itself(workshop, upright_photos):
    model = workshop.sky_model()
    result = compare(model, model, scan([upright_photos], ORIENTATION))
    assert (result.first, result.agreement, result.p_value) == (result.second, 1.0, 1.0)
    assert result.interval == (0, 0)
    assert result.samples == 4 * len(list(upright_photos.iterdir()))


def test_counts_and_mcnemars_test_are_those_of_the_textbook(workshop):
    """10 samples differ, 9 of them for the second: two-sided binomial, 2 * (1 + 10) / 2**10."""
    metadata = read_metadata(workshop.sky_model())
    first, second = [0] * 10 + [1] * 9 + [0], [0] * 10 + [0] * 9 + [2]
    result = compare_answers(metadata, answers(first), metadata, answers(second))
    assert (result.only_first_right, result.only_second_right) == (1, 9)
    assert result.p_value == pytest.approx(22 / 1024)
    assert (result.first, result.second, result.agreement) == (0.55, 0.95, 0.5)
    assert 0 < result.interval[0] < 0.4 < result.interval[1]


def test_the_interval_counts_the_turns_of_one_photo_together(workshop):
    metadata = read_metadata(workshop.sky_model())
    first, second = [1] * 16 + [0] * 24, [0] * 16 + [0] * 20 + [1] * 4
    alone = compare_answers(metadata, answers(first), metadata, answers(second)).interval
    groups = tuple(str(index // 4) for index in range(40))
    together = compare_answers(metadata, answers(first, groups), metadata, answers(second, groups)).interval
    assert together[1] - together[0] > 1.5 * (alone[1] - alone[0])


def test_models_of_other_labels_and_empty_lists_cannot_be_compared(workshop, upright_photos):
    model = workshop.sky_model()
    other = workshop.sky_model(labels=tuple({"name": name} for name in "abcd"))
    with pytest.raises(TrainingError, match="different labels: up, right, down, left and a, b, c, d"):
        compare(model, other, scan([upright_photos], ORIENTATION))
    with pytest.raises(TrainingError, match="no photos"):
        compare(model, model, Manifest(upright_photos, ()))
