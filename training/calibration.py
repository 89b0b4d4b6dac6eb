"""When an answer counts as certain."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from models.metadata import Label, ModelMetadata
from training.evaluation import Answers

CONFIDENCE = 0.95


def with_certainty(metadata: ModelMetadata, answers: Answers, allowed_error: float) -> ModelMetadata:
    """Chooses each label's ``certain_from`` for a stated error rate.

    Args:
        metadata: of the model that gave the answers.
        answers: on the calibration split.
        allowed_error: largest share of wrong answers among certain ones, label by label.

    Returns:
        The metadata with the lowest thresholds for which the upper confidence bound of the error stays within it.
    """
    decisions = [metadata.decide(row) for row in answers.probabilities]
    answered = np.array([decision.index for decision in decisions])
    probability = np.array([decision.probability for decision in decisions])
    right = answered == answers.labels
    thresholds = [
        certain_from(probability[answered == index], right[answered == index], allowed_error)
        for index in range(len(metadata.labels))
    ]
    labels = [
        Label(name=label.name, attributes=label.attributes, certain_from=threshold)
        for label, threshold in zip(metadata.labels, thresholds, strict=True)
    ]
    return metadata.model_copy(update={"labels": tuple(labels)})


def certain_from(probability: NDArray[np.float64], right: NDArray[np.bool_], allowed_error: float) -> float | None:
    """The lowest probability from which at most ``allowed_error`` of the answers are wrong; None where there is none.

    "At most" holds for the one-sided Clopper-Pearson bound at ``CONFIDENCE``, not for the share that was seen.

    Args:
        probability: ``float64[M]`` of the answers with one label.
        right: ``bool[M]``.
        allowed_error: between 0 and 1.
    """
    order = np.argsort(-probability, kind="stable")
    count = np.arange(1, len(order) + 1)
    wrong = np.cumsum(~right[order])
    with np.errstate(invalid="ignore"):
        bound = np.where(wrong < count, beta.ppf(CONFIDENCE, wrong + 1, count - wrong), 1.0)
    sorted_probability = probability[order]
    last_of_its_value = np.append(sorted_probability[1:] < sorted_probability[:-1], True)[: len(order)]
    allowed = np.flatnonzero((bound <= allowed_error) & last_of_its_value)
    return float(sorted_probability[allowed[-1]]) if len(allowed) else None
