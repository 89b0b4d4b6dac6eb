"""A model file, measured on photos whose labels are known: figures, and a page that shows them."""

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from models.errors import TrainingError
from models.images import Size
from models.metadata import ModelMetadata
from models.metrics import Metrics
from models.repository import read_metadata
from training.fitting.run_folder import History
from training.measuring.evaluation import Answers, ask, measure
from training.measuring.robustness import with_conditions
from training.measuring.sensor_set import SensorSet
from training.photos.manifest import Manifest
from training.photos.tasks import ORIENTATION, task_of, turn_image
from training.reporting.gallery import Pictures, worst_errors
from training.reporting.report import render_report


@dataclass(frozen=True)
class Assessment:
    """What a model file is worth.

    Attributes:
        data: the ONNX file.
        metadata: its own, with the metrics measured here.
        answers: that the metrics were made of.
        pictures: gives the picture of an answer, as it was asked about.
    """

    data: bytes
    metadata: ModelMetadata
    answers: Answers
    pictures: Pictures

    @property
    def metrics(self) -> Metrics:
        """What was measured."""
        assert self.metadata.metrics is not None  # noqa: S101
        return self.metadata.metrics

    def page(self, history: History = ()) -> str:  # type: ignore[assignment]
        """One HTML page that needs nothing else; it holds small copies of photos, and is no more public than they."""
        mistakes = worst_errors(self.data, self.metadata, self.answers, self.pictures)
        return render_report(self.metadata, self.answers, mistakes, history)


def assess(model: Path, manifest: Manifest, *, robustness: bool = False) -> Assessment:
    """Measures any ONNX file of ours on all photos of a manifest.

    Args:
        model: the file.
        manifest: of the photos.
        robustness: measures on damaged copies of them too, which takes seven times as long.

    Raises:
        TrainingError: the file or the photos are missing, or a photo's label is not one of the model's.
    """
    data, metadata = _read(model)
    task = task_of(metadata.labels)
    if not manifest.photos:
        raise TrainingError("there are no photos to measure on")
    answers = ask(data, metadata.preprocessing, manifest, task)
    metrics = measure(answers, metadata, manifest.digest(task.label_names))
    if robustness:
        metrics = with_conditions(metrics, data, metadata, manifest)

    def picture(sample: int, at_least: Size) -> Image.Image:
        photo, turn = divmod(sample, task.samples_per_photo)
        return turn_image(manifest.decode(manifest.photos[photo], at_least), turn)

    return Assessment(data, metadata.model_copy(update={"metrics": metrics}), answers, picture)


def assess_on_sensor_set(model: Path, photos: SensorSet) -> Assessment:
    """Measures an orientation model on photos as their cameras stored them.

    Raises:
        TrainingError: the file is missing, or its labels are not those of orientation.
    """
    data, metadata = _read(model)
    if metadata.label_names != ORIENTATION.label_names:
        raise TrainingError(f"{metadata.name} tells {', '.join(metadata.label_names)} apart, not orientations")
    answers = photos.ask(data, metadata.preprocessing)
    metrics = measure(answers, metadata, photos.manifest.digest(ORIENTATION.label_names))

    def picture(sample: int, at_least: Size) -> Image.Image:
        return photos.decode(photos.manifest.photos[sample], at_least)

    return Assessment(data, metadata.model_copy(update={"metrics": metrics}), answers, picture)


def _read(model: Path) -> tuple[bytes, ModelMetadata]:
    if not model.is_file():
        raise TrainingError(f"there is no model {model}; `loupe-train export` writes one")
    data = model.read_bytes()
    return data, read_metadata(data, model)
