"""The thresholds of a model of two labels that hold on sources that it never saw, and on those that it knows."""

from collections.abc import Sequence

import numpy as np

from models.metadata import ModelMetadata
from training.measuring.evaluation import Answers, judge
from training.photos.tasks import Task
from training.shipping.few_sources import CONFIDENCE, SLACK, certain_from_few

FALSE_ALARMS = 0.05
"""Of the first label's photos, this share may be taken for the second, of the new sources and of the old ones alike."""


def decided(metadata: ModelMetadata, strangers: Answers, known: Answers, task: Task) -> ModelMetadata:
    """The thresholds that hold on the new sources and on the old photos alike: each time the stricter one.

    Args:
        metadata: of a model of two labels.
        strangers: scaled answers of models that never saw the sources; a group is a source.
        known: scaled answers on the calibration split.
        task: says how many certain answers may be wrong.
    """
    threshold = max(threshold_for(answers) for answers in (strangers, known))
    decided = metadata.model_copy(update={"decision_threshold": threshold})
    labels = [
        label.model_copy(update={"certain_from": _stricter(decided, index, (strangers, known), task.allowed_error)})
        for index, label in enumerate(metadata.labels)
    ]
    return decided.model_copy(update={"labels": tuple(labels)})


def threshold_for(answers: Answers) -> float:
    """The lowest probability of the second label from which ``FALSE_ALARMS`` are kept; all answers count once."""
    others = np.sort(answers.probabilities[answers.labels == 0, 1])[::-1]
    allowed = int(FALSE_ALARMS * len(others))
    return float(np.nextafter(others[allowed], np.float32(2))) if allowed < len(others) else 0.0


def promise(strangers: Answers, task: Task) -> str:
    """What a certain answer is worth, in words."""
    return (
        f"of {len(set(strangers.groups))} sources that a model did not learn from, at most {task.allowed_error:.0%} "
        f"of its certain answers were wrong; of others like them at most {SLACK * task.allowed_error:.0%}, "
        f"with {CONFIDENCE:.0%} confidence"
    )


def _stricter(metadata: ModelMetadata, label: int, both: Sequence[Answers], allowed_error: float) -> float | None:
    found = []
    for answers in both:
        verdicts = judge(answers, metadata)
        mine = verdicts.answered == label
        found.append(
            certain_from_few(
                verdicts.probability[mine], verdicts.right[mine], allowed_error, answers.group_numbers[mine]
            )
        )
    return None if None in found else max(threshold for threshold in found if threshold is not None)
