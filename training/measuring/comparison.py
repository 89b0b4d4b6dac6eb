"""Two models on the same photos: how much better one is, and whether that could be chance."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from models.errors import TrainingError
from models.metadata import ModelMetadata
from models.repository import read_metadata
from training.measuring.evaluation import Answers, ask, judge
from training.measuring.intervals import bootstrap_interval
from training.photos.manifest import Manifest
from training.photos.tasks import task_of


@dataclass(frozen=True)
class Comparison:
    """What two models answered on the same samples; each model may have its own input and decision rule.

    Attributes:
        samples: number of samples, turns of one photo counted each.
        first: accuracy of the first model.
        second: accuracy of the second.
        interval: 95 % interval of ``second - first``: a bootstrap over groups, both models asked about each draw.
        agreement: share of samples that both give the same label.
        only_first_right: number of samples.
        only_second_right: number of samples.
        p_value: of McNemar's exact test: the chance that the two counts differ so much if none is the better model. It
            takes samples for independent; the turns of one photo are not, which the interval heeds.
    """

    samples: int
    first: float
    second: float
    interval: tuple[float, float]
    agreement: float
    only_first_right: int
    only_second_right: int
    p_value: float


def compare(first: bytes, second: bytes, manifest: Manifest) -> Comparison:
    """Asks two stamped ONNX files about all photos of a manifest.

    Raises:
        TrainingError: they tell different labels apart, or there are no photos, or some of another label.
    """
    metadata = read_metadata(first), read_metadata(second)
    if metadata[0].label_names != metadata[1].label_names:
        names = " and ".join(", ".join(one.label_names) for one in metadata)
        raise TrainingError(f"the two models have different labels: {names}")
    if not manifest.photos:
        raise TrainingError("there are no photos to compare on")
    task = task_of(metadata[0].labels)
    answers = [ask(data, of.preprocessing, manifest, task) for data, of in zip((first, second), metadata, strict=True)]
    return compare_answers(metadata[0], answers[0], metadata[1], answers[1])


def compare_answers(first: ModelMetadata, of_first: Answers, second: ModelMetadata, of_second: Answers) -> Comparison:
    """Compares what two models answered on the same samples, in the same order."""
    one, other = judge(of_first, first), judge(of_second, second)
    gain = other.right.astype(np.float64) - one.right
    lost, won = int((gain < 0).sum()), int((gain > 0).sum())
    return Comparison(
        samples=len(gain),
        first=float(one.right.mean()),
        second=float(other.right.mean()),
        interval=bootstrap_interval(of_first.group_numbers, lambda weights: float(np.average(gain, weights=weights))),
        agreement=float((one.answered == other.answered).mean()),
        only_first_right=lost,
        only_second_right=won,
        p_value=float(binomtest(lost, lost + won).pvalue) if lost + won else 1.0,
    )
