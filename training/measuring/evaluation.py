"""What an ONNX file answers on photos that training never saw: the file that ships, through the one decoder."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.progress import track
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from models.errors import TrainingError
from models.metadata import ModelMetadata
from models.metrics import LabelMetrics, Metrics, SourceMetrics
from models.preprocessing import Preprocessing
from training.graph.inference import OnnxClassifier
from training.measuring.intervals import accuracy_interval
from training.measuring.ranking import ranking_interval, recall_at_95_specificity, roc_auc
from training.measuring.reliability import coverage_at, error_by_chance, reliability, risk_coverage
from training.photos.manifest import Manifest, Photo
from training.photos.tasks import Task, turn_image

PHOTOS_AT_ONCE = 64
_NAMED = 20  # labels: a model may have a thousand
_ENOUGH_RIGHT = (0.99, 0.995)
Change = Callable[[Image.Image], Image.Image]


@dataclass(frozen=True)
class Answers:
    """What a model said of samples whose labels are known.

    Attributes:
        probabilities: ``float32[M,K]``.
        labels: ``int64[M]``, the true ones.
        sources: ``M`` names of data sets.
        groups: ``M`` names; samples that depend on each other share one. Empty: all are independent.
    """

    probabilities: NDArray[np.float32]
    labels: NDArray[np.int64]
    sources: tuple[str, ...]
    groups: tuple[str, ...] = ()

    @property
    def group_numbers(self) -> NDArray[np.int64]:
        """``int64[M]``, the groups numbered from 0."""
        if not self.groups:
            return np.arange(len(self.labels))
        numbers: NDArray[np.int64] = np.unique(np.array(self.groups), return_inverse=True)[1]
        return numbers


@dataclass(frozen=True)
class Verdicts:
    """What the decision rule makes of answers.

    Attributes:
        answered: ``int64[M]``, the label of each answer.
        probability: ``float64[M]``, that label's.
        certain: ``bool[M]``.
        right: ``bool[M]``.
    """

    answered: NDArray[np.int64]
    probability: NDArray[np.float64]
    certain: NDArray[np.bool_]
    right: NDArray[np.bool_]


def judge(answers: Answers, metadata: ModelMetadata) -> Verdicts:
    """Applies a model's decision rule to its answers."""
    decisions = [metadata.decide(row) for row in answers.probabilities]
    answered = np.array([decision.index for decision in decisions], np.int64)
    return Verdicts(
        answered,
        np.array([decision.probability for decision in decisions], np.float64),
        np.array([decision.certain for decision in decisions], bool),
        answered == answers.labels,
    )


def check_labels(photos: Manifest, task: Task) -> None:
    """Fails where a model is to be asked about photos of a label that is none of its own.

    Raises:
        TrainingError: names the label, and the model's first twenty.
    """
    names = task.label_names
    strange = {photo.label for photo in photos.photos} - set(names)
    if task.made_by == "folder" and strange:
        few = [*names[:_NAMED], f"… ({len(names)} in all)"] if len(names) > _NAMED else names
        raise TrainingError(f"the model has no label {min(strange)!r}; it has: {', '.join(few)}")


def ask(
    data: bytes, preprocessing: Preprocessing, manifest: Manifest, task: Task, change: Change | None = None
) -> Answers:
    """Asks an ONNX file about every sample of a manifest; all four turns of a photo where labels are made so.

    Args:
        data: the ONNX file.
        preprocessing: of the model.
        manifest: of the photos.
        task: tells how labels are made.
        change: done to each picture after it was turned, as if its camera or scanner had done it.

    Raises:
        TrainingError: see ``check_labels``; or a photo is gone.
    """
    check_labels(manifest, task)
    turning = task.made_by == "turning"
    turns = task.samples_per_photo

    def samples(photo: Photo) -> NDArray[np.uint8]:
        image = manifest.decode(photo, preprocessing.size)
        pictures = (turn_image(image, turn) for turn in range(turns))
        return np.stack([preprocessing.apply(change(picture) if change else picture) for picture in pictures])

    names = list(task.label_names)
    labels = [range(len(names)) if turning else [names.index(photo.label)] for photo in manifest.photos]
    return Answers(
        probabilities_of(data, manifest.photos, samples),
        np.concatenate([np.array(of_photo, np.int64) for of_photo in labels]),
        tuple(photo.source for photo in manifest.photos for _ in range(turns)),
        tuple(photo.group for photo in manifest.photos for _ in range(turns)),
    )


def probabilities_of(
    data: bytes, photos: Sequence[Photo], samples: Callable[[Photo], NDArray[np.uint8]]
) -> NDArray[np.float32]:
    """Asks an ONNX file, decoding in several threads and holding few photos in memory.

    Args:
        data: the ONNX file.
        photos: in the order of the answers.
        samples: makes ``uint8[T,H,W,C]`` of a photo, T being the same for all.

    Returns:
        ``float32[T * photos,K]``.
    """
    classifier = OnnxClassifier(data)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        rest = iter(track(photos, "asking the model"))
        chunks = iter(lambda: list(islice(rest, PHOTOS_AT_ONCE)), [])
        return np.concatenate([classifier.predict(np.concatenate(list(pool.map(samples, chunk)))) for chunk in chunks])


def measure(answers: Answers, metadata: ModelMetadata, data_sha256: str) -> Metrics:
    """All figures of ``Metrics`` but those under ``conditions``.

    Args:
        answers: of the model that ``metadata`` describes.
        metadata: gives labels and decision rule.
        data_sha256: ``Manifest.digest`` of the photos.
    """
    verdicts = judge(answers, metadata)
    right, certain, probability = verdicts.right, verdicts.certain, verdicts.probability
    groups, calibration = answers.group_numbers, reliability(probability, right)
    matrix = confusion_matrix(answers.labels, verdicts.answered, labels=range(len(metadata.labels)))
    return Metrics(
        data_sha256=data_sha256,
        images=len(right),
        groups=int(groups.max()) + 1,
        accuracy=float(right.mean()),
        accuracy_interval=accuracy_interval(right, groups),
        labels=_label_metrics(answers.labels, verdicts.answered, metadata.label_names),
        confusion_matrix=tuple(tuple(int(count) for count in row) for row in matrix),
        certain_share=float(certain.mean()),
        certain_accuracy=float(right[certain].mean()) if certain.any() else None,
        calibration_error=calibration.error,
        calibration_error_by_chance=error_by_chance(probability),
        reliability=calibration.bins,
        risk_coverage=risk_coverage(probability, right),
        coverage_at_accuracy={f"{wanted:g}": coverage_at(wanted, probability, right) for wanted in _ENOUGH_RIGHT},
        sources=_source_metrics(right, answers.sources, groups),
        **_two_label_metrics(answers),
    )


def _label_metrics(
    labels: NDArray[np.int64], answered: NDArray[np.int64], names: Sequence[str]
) -> dict[str, LabelMetrics]:
    figures = precision_recall_fscore_support(labels, answered, labels=range(len(names)), zero_division=0)
    return {
        name: LabelMetrics(precision=float(precision), recall=float(recall), support=int(support))
        for name, precision, recall, _, support in zip(names, *figures, strict=True)
    }


def _two_label_metrics(answers: Answers) -> dict[str, Any]:
    """Empty unless there are two labels and both occur."""
    if answers.probabilities.shape[1] != 2 or len(np.unique(answers.labels)) < 2:
        return {}
    scores, positive = answers.probabilities[:, 1].astype(np.float64), answers.labels == 1
    figures: dict[str, Any] = {}
    for ranking in (roc_auc, recall_at_95_specificity):
        figures[ranking.__name__] = ranking(scores, positive)
        figures[f"{ranking.__name__}_interval"] = ranking_interval(ranking, scores, positive, answers.group_numbers)
    return figures


def _source_metrics(
    right: NDArray[np.bool_], sources: Sequence[str], groups: NDArray[np.int64]
) -> dict[str, SourceMetrics]:
    names = np.array(sources)
    return {
        str(name): SourceMetrics(
            images=int((names == name).sum()),
            accuracy=float(right[names == name].mean()),
            accuracy_interval=accuracy_interval(right[names == name], groups[names == name]),
        )
        for name in np.unique(names)
    }
