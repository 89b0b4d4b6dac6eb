"""A model file, whoever trained it, calibrated and measured on photos of those who use it."""

import math
from dataclasses import dataclass, replace

from models.counted import counted
from models.errors import TrainingError
from models.metadata import ModelMetadata
from models.metrics import Metrics
from models.repository import read_metadata
from training.measuring.evaluation import ask, check_labels, measure
from training.photos.manifest import Manifest
from training.photos.tasks import Task, task_of
from training.shipping.calibration import CONFIDENCE, calibrated
from training.shipping.samples import sample_pictures
from training.shipping.stamp import stamp


@dataclass(frozen=True)
class Recalibrated:
    """What became of a model.

    Attributes:
        data: the stamped file.
        metadata: its own.
        metrics: what was measured on that file.
        allowed_error: share of wrong answers that was accepted among certain ones.
    """

    data: bytes
    metadata: ModelMetadata
    metrics: Metrics
    allowed_error: float

    @property
    def never_certain(self) -> tuple[str, ...]:
        """Labels for which no threshold keeps the stated error."""
        return tuple(label.name for label in self.metadata.labels if label.certain_from is None)


def recalibrate(
    data: bytes, calibration: Manifest, test: Manifest, allowed_error: float | None = None, *, together: bool = False
) -> Recalibrated:
    """Fits temperature and thresholds, and measures the file that comes out of it.

    Args:
        data: a stamped ONNX file; a scaling that it has is replaced.
        calibration: photos to fit on.
        test: other photos, to measure on.
        allowed_error: share of wrong answers that is accepted among certain ones; by default the task's.
        together: one threshold for all labels, for models of so many that no label has enough photos.

    Raises:
        TrainingError: there are no photos on one side, or one has a label that the model does not know.
    """
    metadata = read_metadata(data)
    task = task_of(metadata.labels)
    if allowed_error is not None:
        task = replace(task, allowed_error=allowed_error)
    _check(task, calibration, test)
    pictures = sample_pictures(calibration, task, metadata.preprocessing)
    fitted = calibrated(data, _described(metadata, calibration, task), calibration, task, pictures, together=together)
    found = read_metadata(fitted)
    metrics = measure(ask(fitted, found.preprocessing, test, task), found, test.digest(task.label_names))
    measured = found.model_copy(update={"metrics": metrics})
    return Recalibrated(stamp(fitted, measured), measured, metrics, task.allowed_error)


def answers_needed(allowed_error: float) -> int:
    """How many answers, all of them right, show that at most ``allowed_error`` are wrong."""
    return math.ceil(math.log(1 - CONFIDENCE) / math.log(1 - allowed_error))


def _check(task: Task, calibration: Manifest, test: Manifest) -> None:
    for photos in (calibration, test):
        check_labels(photos, task)
    if not calibration.photos or not test.photos:
        raise TrainingError(
            f"{counted(len(calibration.photos), 'photo')} to calibrate with and {len(test.photos)} to measure on; "
            "both need some"
        )


def _described(metadata: ModelMetadata, photos: Manifest, task: Task) -> ModelMetadata:
    on = counted(len(photos.photos), "photo")
    how = f"on {on}, so that at most {task.allowed_error:.1%} of certain answers are wrong"
    return metadata.model_copy(update={"training": metadata.training | {"calibrated": how}})
