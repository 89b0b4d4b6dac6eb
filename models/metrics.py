"""What was measured on a model's file, as its metadata tells it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(ge=0, le=1)]
Interval = tuple[Probability, Probability]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LabelMetrics(_Frozen):
    """Precision and recall of one label on ``support`` test images of it."""

    precision: Probability
    recall: Probability
    support: int = Field(ge=0)


class SourceMetrics(_Frozen):
    """Accuracy on the test images of one source."""

    images: int = Field(ge=1)
    accuracy: Probability
    accuracy_interval: Interval | None = None


class ConditionMetrics(_Frozen):
    """Accuracy on spoilt copies of the test images."""

    accuracy: Probability
    roc_auc: Probability | None = None


class CoverageMetrics(_Frozen):
    """Accuracy of the surest ``coverage`` of the answers."""

    coverage: Probability
    accuracy: Probability


class ReliabilityBin(_Frozen):
    """Answers of like probability: its mean, and how many of them are right."""

    probability: Probability
    accuracy: Probability
    images: int = Field(ge=1)


class Metrics(_Frozen):
    """What was measured on the file, on photos that training never saw.

    Intervals hold 95 %: a bootstrap over groups of near-duplicates, as the turns of one photo depend on each other.
    What is None or empty was not measured, or does not apply.

    Attributes:
        data_sha256: digest of the list of test images (their sha256 and labels) that the figures were measured on.
        images: number of test images, turns of one photo counted each.
        groups: number of groups of near-duplicates among them.
        confusion_matrix: rows are true labels, columns answers.
        certain_share: share of the answers that were certain.
        certain_accuracy: accuracy among those; None where there were none.
        roc_auc: for models of two labels.
        recall_at_95_specificity: for two labels: recall of the second where 5 % of the first are false alarms.
        calibration_error: expected calibration error of the answers' probabilities, 15 bins of equally many answers.
        calibration_error_by_chance: what a perfectly calibrated model would show on as many answers.
        reliability: those bins, from unsure to sure.
        risk_coverage: from all answers to the surest half.
        coverage_at_accuracy: the largest share of surest answers of which so many ("0.99") are right.
        conditions: by name of the damage done to the test images.
    """

    data_sha256: str
    images: int = Field(ge=1)
    groups: int | None = Field(None, ge=1)
    accuracy: Probability
    accuracy_interval: Interval | None = None
    labels: dict[str, LabelMetrics]
    confusion_matrix: tuple[tuple[int, ...], ...]
    certain_share: Probability
    certain_accuracy: Probability | None = None
    roc_auc: Probability | None = None
    roc_auc_interval: Interval | None = None
    recall_at_95_specificity: Probability | None = None
    recall_at_95_specificity_interval: Interval | None = None
    calibration_error: Probability | None = None
    calibration_error_by_chance: Probability | None = None
    reliability: tuple[ReliabilityBin, ...] = ()
    risk_coverage: tuple[CoverageMetrics, ...] = ()
    coverage_at_accuracy: dict[str, Probability] = {}
    sources: dict[str, SourceMetrics] = {}
    conditions: dict[str, ConditionMetrics] = {}


class AgainstFp32(_Frozen):
    """A smaller copy beside the fp32 file that it was made from, on the same test images.

    Attributes:
        accuracy_change: accuracy of the copy less that of the original.
        agreement: share of test images that both give the same label.
        time_ratio: time for one image on one thread, as a multiple of the original's in the same run.
        provider: ONNX Runtime's name of where the time was taken.
    """

    accuracy_change: float = Field(ge=-1, le=1)
    agreement: Probability
    time_ratio: float = Field(gt=0)
    provider: str
