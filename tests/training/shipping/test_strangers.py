import numpy as np
import pytest

from models.errors import TrainingError
from models.metadata import Label, ModelMetadata
from models.preprocessing import Preprocessing
from training.measuring.evaluation import Answers, judge
from training.photos.tasks import task_named
from training.shipping.strangers import OWN_THRESHOLDS, Strangers, cross_judged, for_strangers, told

TASK = task_named("folders", ["cat", "dog"])


def answers(count: int, seed: int, sources: int, spread: float = 1.0) -> Answers:
    """Of a model that ranks well: dogs score higher than cats by four standard deviations."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    scores = 1 / (1 + np.exp(-(rng.normal(0, spread, count) + 2 * (labels * 2 - 1))))
    names = tuple(f"album{n % sources}" for n in range(count))
    return Answers(np.stack([1 - scores, scores], axis=1).astype(np.float32), labels, names, names)


@pytest.fixture
def strangers() -> Strangers:
    parts = [answers(200, seed, 30) for seed in range(4)]
    renamed = [
        Answers(part.probabilities, part.labels, *(tuple(f"{fold}/{name}" for name in part.sources),) * 2)
        for fold, part in enumerate(parts)
    ]
    return Strangers.together(renamed)


@pytest.fixture
def metadata() -> ModelMetadata:
    return ModelMetadata(
        name="pets",
        version=1,
        labels=[Label(name="cat"), Label(name="dog")],
        preprocessing=Preprocessing(height=8, width=8),
        decision_threshold=0.5,
        graph_sha256="0" * 64,
    )


def test_what_is_written_is_read_back(strangers, tmp_path):
    strangers.write(tmp_path / "strangers.csv")
    again = Strangers.read(tmp_path / "strangers.csv")
    assert again.answers.sources == again.answers.groups == strangers.answers.sources
    assert np.array_equal(again.folds, strangers.folds)
    assert np.array_equal(again.answers.labels, strangers.answers.labels)
    assert np.abs(again.answers.probabilities - strangers.answers.probabilities).max() < 1e-6


def test_no_file_is_none_and_another_file_is_told(tmp_path):
    assert Strangers.read(tmp_path / "none.csv") is None
    (tmp_path / "other.csv").write_text("file,source\nx.jpg,album\n")
    with pytest.raises(TrainingError, match="does not hold answers about strangers"):
        Strangers.read(tmp_path / "other.csv")


def test_a_fold_is_judged_by_what_the_others_showed(strangers, metadata):
    """One fold of a model that gives dogs low scores: its dogs are missed, as no threshold was chosen on it."""
    shifted = strangers.answers.probabilities.copy()
    mine = strangers.folds == 2
    shifted[mine] = np.stack([1 - shifted[mine, 1] ** 8, shifted[mine, 1] ** 8], axis=1)
    odd = Strangers(
        Answers(shifted, *(getattr(strangers.answers, name) for name in ("labels", "sources", "groups"))),
        strangers.folds,
    )
    known = answers(300, 9, 300)
    verdicts = cross_judged(odd, known, metadata, TASK)
    dogs = odd.answers.labels == 1
    assert verdicts.right[dogs & ~mine].mean() > 0.9
    assert verdicts.right[dogs & mine].mean() < verdicts.right[dogs & ~mine].mean() - 0.05
    assert np.array_equal(verdicts.right, verdicts.answered == odd.answers.labels)


def test_thresholds_hold_for_strangers_and_the_card_says_so(strangers, metadata):
    found = for_strangers(metadata, strangers, answers(300, 9, 300), TASK)
    assert found.training["certain"].startswith("of 120 sources that a model did not learn from, at most 5% ")
    assert found.training["4-fold over 120 sources"].startswith("AUC 0.9")
    assert ", 0.0% of all answers certain" not in found.training[OWN_THRESHOLDS]
    assert found.decision_threshold != 0.5
    assert all(label.certain_from is not None for label in found.labels)


def test_what_is_told_counts_what_was_found(metadata):
    few = answers(40, 3, 8, spread=0.1)
    text = told(few, judge(few, metadata), ("cat", "dog"))
    assert "AUC 1.000 (1.000 to 1.000)" in text
    assert "cat: 100.0% found, 0.0% of all answers certain; dog: 100.0% found" in text
    assert text.endswith("right by source: median 100.0%, worst tenth 100.0%")
