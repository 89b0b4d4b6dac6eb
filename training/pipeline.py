"""From photos to a measured model file: the steps of one run, each of which can be done alone."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from models.errors import TrainingError
from models.metadata import Metrics
from models.repository import CARD_NAME, read_metadata
from training.calibration import with_certainty
from training.card import render_card
from training.dataset import load_photos
from training.evaluation import Answers, ask, measure
from training.export import export
from training.fit import fit, new_network
from training.golden import golden_samples
from training.manifest import Manifest
from training.recipe import Recipe
from training.report import draw_report
from training.run_folder import RunFolder
from training.scan import scan
from training.stamp import describe, restamp, stamp
from training.tasks import Task, task_named, task_of

PARITY_PICTURES = 64


@dataclass(frozen=True)
class Run:
    """One experiment under way: its folder, and what lies in it."""

    folder: RunFolder
    recipe: Recipe
    manifest: Manifest
    cache: Path

    @property
    def task(self) -> Task:
        """The recipe's task, its labels from the manifest where folders make them."""
        return task_named(self.recipe.task, sorted({photo.label for photo in self.manifest.photos}))


def begin(recipe: Path, photos: Sequence[Path], folder: Path, *, allow_leaks: bool = False) -> Run:
    """Lays out a run folder: copies the recipe, scans the photos or copies their manifest.

    Args:
        recipe: a TOML file.
        photos: folders, or one manifest.
        folder: of the run; what an earlier run left there is kept for ``--resume``.
        allow_leaks: for a data set whose own test split repeats training photos.

    Raises:
        TrainingError: the recipe is wrong, there are no photos, or near-duplicates cross splits.
    """
    run_folder = RunFolder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    task = task_named(Recipe.read(recipe).task)
    manifest = Manifest.read(photos[0]) if photos[0].suffix == ".csv" else scan(photos, task)
    if not allow_leaks:
        manifest.check_splits()
    manifest.write(run_folder.manifest)
    if recipe.resolve() != run_folder.recipe.resolve():
        run_folder.recipe.write_bytes(recipe.read_bytes())
    return open_run(folder)


def open_run(folder: Path) -> Run:
    """Reads a run folder.

    Raises:
        TrainingError: there is no run in it.
    """
    run_folder = RunFolder(folder)
    if not run_folder.recipe.is_file():
        raise TrainingError(f"{folder} is not a run folder; `loupe-train train` makes one")
    return Run(run_folder, Recipe.read(run_folder.recipe), Manifest.read(run_folder.manifest), folder.parent / "cache")


def train(run: Run, *, resume: bool) -> None:
    """Fits the network on the training split, watched on the validation split."""
    splits = [run.manifest.split(name) for name in ("train", "validation")]
    if not all(split.photos for split in splits):
        raise TrainingError("the training or the validation split is empty: there are too few photos")
    learned = load_photos(splits[0], run.task, run.recipe.training_input, run.cache)
    watched = load_photos(splits[1], run.task, run.recipe.input, run.cache)
    fit(run.recipe, run.task, learned, watched, run.folder, resume=resume)


def export_run(run: Run) -> None:
    """Writes the best epoch's model: converted, checked against Keras, calibrated; not yet measured."""
    if not run.folder.best_weights.is_file():
        raise TrainingError(f"{run.folder.path} has no weights yet; `loupe-train train` makes them")
    network = _best_network(run)
    validation = load_photos(run.manifest.split("validation"), run.task, run.recipe.input, run.cache)
    data = export(network, np.array(validation.pixels[:PARITY_PICTURES]))
    metadata = describe(run.recipe, run.task, data, run.manifest, run.folder.history())
    calibration = run.manifest.split("calibration")
    if calibration.photos:
        answers = ask(data, metadata.preprocessing, calibration, run.task)
        metadata = with_certainty(metadata, answers, run.task.allowed_error)
    metadata = metadata.model_copy(update={"golden_samples": golden_samples(data, metadata.preprocessing)})
    run.folder.onnx.write_bytes(stamp(data, metadata))


def _best_network(run: Run) -> keras.Model:
    """The best weights in a float32 network, whatever precision they were trained in."""
    network = new_network(run.recipe, run.task, "float32")
    network.load_weights(run.folder.best_weights)
    return network


def evaluate_run(run: Run) -> Metrics:
    """Measures the run's file on its test split; stamps the figures into it and renders card and report beside it."""
    test = run.manifest.split("test")
    metrics, answers = evaluate_file(run.folder.onnx, test)
    data = restamp(run.folder.onnx.read_bytes(), metrics=metrics.model_dump(mode="json"))
    run.folder.onnx.write_bytes(data)
    metadata = read_metadata(data)
    (run.folder.path / CARD_NAME).write_text(render_card(metadata), encoding="utf-8")
    (run.folder.path / "metrics.json").write_text(json.dumps(metrics.model_dump(mode="json"), indent=2) + "\n")
    draw_report(run.folder.path / "report.png", metadata, answers, run.folder.history())
    return metrics


def evaluate_file(model: Path, manifest: Manifest) -> tuple[Metrics, Answers]:
    """Measures any ONNX file of ours on all photos of a manifest.

    Raises:
        TrainingError: the file or the photos are missing, or a photo's label is not one of the model's.
    """
    if not model.is_file():
        raise TrainingError(f"there is no model {model}; `loupe-train export` writes one")
    data = model.read_bytes()
    metadata = read_metadata(data)
    task = task_of(metadata.labels)
    strange = {photo.label for photo in manifest.photos} - set(task.label_names)
    if task.made_by == "folder" and strange:
        raise TrainingError(f"the model has no label {min(strange)!r}; it has: {', '.join(task.label_names)}")
    if not manifest.photos:
        raise TrainingError("there are no photos to measure on")
    answers = ask(data, metadata.preprocessing, manifest, task)
    return measure(answers, metadata, manifest.digest(task.label_names)), answers
