"""What an ONNX file answers on photos that training never saw: the file that ships, through the one decoder."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from rich.progress import track
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support, roc_auc_score

from models.images import decode
from models.metadata import LabelMetrics, Metrics, ModelMetadata, SourceMetrics
from models.preprocessing import Preprocessing
from training.inference import OnnxClassifier
from training.manifest import Manifest, Photo
from training.tasks import Task, turn_image

_PHOTOS_AT_ONCE = 64


@dataclass(frozen=True)
class Answers:
    """What a model said of samples whose labels are known.

    Attributes:
        probabilities: ``float32[M,K]``.
        labels: ``int64[M]``, the true ones.
        sources: ``M`` names of data sets.
    """

    probabilities: NDArray[np.float32]
    labels: NDArray[np.int64]
    sources: tuple[str, ...]


def ask(data: bytes, preprocessing: Preprocessing, manifest: Manifest, task: Task) -> Answers:
    """Asks an ONNX file about every sample of a manifest; all four turns of a photo where labels are made so."""
    classifier = OnnxClassifier(data)
    names = list(task.label_names)
    turning = task.made_by == "turning"
    labels = [range(len(names)) if turning else [names.index(photo.label)] for photo in manifest.photos]
    probabilities = [classifier.predict(pixels) for pixels in _pixels(manifest, preprocessing, task.samples_per_photo)]
    return Answers(
        np.concatenate(probabilities),
        np.concatenate([np.array(of_photo, np.int64) for of_photo in labels]),
        tuple(photo.source for photo in manifest.photos for _ in range(task.samples_per_photo)),
    )


def _pixels(manifest: Manifest, preprocessing: Preprocessing, turns: int) -> Iterator[NDArray[np.uint8]]:
    """Yields ``uint8[up to 64 * turns,H,W,C]``."""

    def samples(photo: Photo) -> NDArray[np.uint8]:
        image = decode(manifest.file(photo).read_bytes(), preprocessing.size)
        return np.stack([preprocessing.apply(turn_image(image, turn)) for turn in range(turns)])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        photos = iter(track(manifest.photos, "asking the model"))
        while chunk := list(islice(photos, _PHOTOS_AT_ONCE)):
            yield np.concatenate(list(pool.map(samples, chunk)))


def measure(answers: Answers, metadata: ModelMetadata, data_sha256: str) -> Metrics:
    """Accuracy, precision, recall, confusion, ROC-AUC and certainty, over all and by source.

    Args:
        answers: of the model that ``metadata`` describes.
        metadata: gives labels and decision rule.
        data_sha256: ``Manifest.digest`` of the photos.
    """
    decisions = [metadata.decide(row) for row in answers.probabilities]
    answered = np.array([decision.index for decision in decisions])
    certain = np.array([decision.certain for decision in decisions])
    right = answered == answers.labels
    columns = list(range(len(metadata.labels)))
    matrix = confusion_matrix(answers.labels, answered, labels=columns)
    return Metrics(
        data_sha256=data_sha256,
        images=len(right),
        accuracy=float(right.mean()),
        labels=_label_metrics(answers.labels, answered, metadata.label_names),
        confusion_matrix=tuple(tuple(int(count) for count in row) for row in matrix),
        certain_share=float(certain.mean()),
        certain_accuracy=float(right[certain].mean()) if certain.any() else None,
        roc_auc=_roc_auc(answers),
        sources=_source_metrics(right, answers.sources),
    )


def _label_metrics(
    labels: NDArray[np.int64], answered: NDArray[np.int64], names: Sequence[str]
) -> dict[str, LabelMetrics]:
    figures = precision_recall_fscore_support(labels, answered, labels=range(len(names)), zero_division=0)
    return {
        name: LabelMetrics(precision=float(precision), recall=float(recall), support=int(support))
        for name, precision, recall, _, support in zip(names, *figures, strict=True)
    }


def _roc_auc(answers: Answers) -> float | None:
    """None unless there are two labels and both occur."""
    if answers.probabilities.shape[1] != 2 or len(np.unique(answers.labels)) < 2:
        return None
    return float(roc_auc_score(answers.labels, answers.probabilities[:, 1]))


def _source_metrics(right: NDArray[np.bool_], sources: Sequence[str]) -> dict[str, SourceMetrics]:
    names = np.array(sources)
    return {
        str(name): SourceMetrics(images=int((names == name).sum()), accuracy=float(right[names == name].mean()))
        for name in np.unique(names)
    }
