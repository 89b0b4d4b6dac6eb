"""From photos to a measured model file: the steps of one run, each of which can be done alone."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from models.errors import ManifestError, TrainingError
from models.metrics import Metrics
from models.repository import CARD_NAME
from training.fitting.devices import on_devices
from training.fitting.fit import fit, new_network
from training.fitting.recipe import Recipe
from training.fitting.run_folder import RunFolder
from training.graph.export import export
from training.graph.turning import averaged_over_turns
from training.photos.dataset import load_photos
from training.photos.leakage import check_leakage
from training.photos.manifest import Manifest
from training.photos.scan import scan
from training.photos.tasks import Task, task_named
from training.reporting.assessment import assess
from training.reporting.report import draw_report
from training.shipping.calibration import calibrated
from training.shipping.card import render_card
from training.shipping.stamp import describe, restamp

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
        TrainingError: the recipe is wrong, there are too few photos or labels, or near-duplicates cross splits.
    """
    run_folder = RunFolder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    task = task_named(Recipe.read(recipe).task)
    manifest = listed(photos, task)
    if not allow_leaks:
        check_leakage(manifest)
    manifest.write(run_folder.manifest)
    if recipe.resolve() != run_folder.recipe.resolve():
        run_folder.recipe.write_bytes(recipe.read_bytes())
    run = open_run(folder)
    _check_before_hours_of_training(run)
    return run


def listed(photos: Sequence[Path], task: Task) -> Manifest:
    """Scans folders of photos, or reads the one manifest that is given in their place.

    Raises:
        ManifestError: there is more than one manifest, or what is given cannot be used.
    """
    if not any(path.suffix == ".csv" for path in photos):
        return scan(photos, task)
    if len(photos) > 1:
        raise ManifestError(f"either folders or one manifest can be given, not {', '.join(map(str, photos))}")
    return Manifest.read(photos[0])


def open_run(folder: Path) -> Run:
    """Reads a run folder.

    Raises:
        TrainingError: there is no run in it.
    """
    run_folder = RunFolder(folder)
    if not run_folder.recipe.is_file():
        raise TrainingError(f"{folder} is not a run folder; `loupe-train train` makes one")
    return Run(run_folder, Recipe.read(run_folder.recipe), Manifest.read(run_folder.manifest), folder.parent / "cache")


def _check_before_hours_of_training(run: Run) -> None:
    """Whatever only a later step would trip over."""
    names = run.task.label_names
    if len(names) < 2:
        raise TrainingError(f"at least two labels are needed, a folder for each; there is {', '.join(names)}")
    if run.recipe.decision_threshold is not None and len(names) != 2:
        raise TrainingError(f"a decision_threshold is for two labels, there are {len(names)}: {', '.join(names)}")
    for split in ("train", "validation", "test"):
        if not run.manifest.split(split).photos:
            raise TrainingError(f"the {split} split is empty: there are too few photos")


def train(run: Run, *, resume: bool, devices: int = 1, callbacks: Sequence[keras.callbacks.Callback] = ()) -> None:
    """Fits the network on the training split, watched on the validation split."""
    learned = load_photos(run.manifest.split("train"), run.task, run.recipe.training_input, run.cache)
    watched = load_photos(run.manifest.split("validation"), run.task, run.recipe.input, run.cache)
    with on_devices(devices, run.recipe.fit.batch_size):
        fit(run.recipe, run.task, learned, watched, run.folder, resume=resume, callbacks=callbacks)


def export_run(run: Run) -> None:
    """Writes the best epoch's model: converted, checked against Keras, calibrated; not yet measured.

    Raises:
        TrainingError: there are no weights yet.
    """
    network = best_network(run)
    validation = load_photos(run.manifest.split("validation"), run.task, run.recipe.input, run.cache)
    pictures = np.array(validation.pixels[:PARITY_PICTURES])
    data = export(network, pictures)
    metadata = describe(run.recipe, run.task, data, run.manifest, run.folder.history())
    photos = run.manifest.split("calibration")
    run.folder.onnx.write_bytes(calibrated(data, metadata, photos, run.task, pictures))


def best_network(run: Run) -> keras.Model:
    """The best weights in a float32 network of the input's size, whatever they were trained in.

    Raises:
        TrainingError: there are none yet.
    """
    if not run.folder.best_weights.is_file():
        raise TrainingError(f"{run.folder.path} has no weights yet; `loupe-train train` makes them")
    network = new_network(run.recipe, run.task, "float32")
    network.load_weights(run.folder.best_weights)
    return averaged_over_turns(network, run.recipe.export.turns)


def evaluate_run(run: Run, *, robustness: bool = False) -> Metrics:
    """Measures the run's file on its test split; stamps the figures into it and renders card and reports beside it."""
    measured = assess(run.folder.onnx, run.manifest.split("test"), robustness=robustness)
    metadata, history = measured.metadata, run.folder.history()
    figures = measured.metrics.model_dump(mode="json")
    run.folder.onnx.write_bytes(restamp(measured.data, metrics=figures))
    (run.folder.path / CARD_NAME).write_text(render_card(metadata), encoding="utf-8")
    (run.folder.path / "metrics.json").write_text(json.dumps(figures, indent=2) + "\n")
    (run.folder.path / "report.html").write_text(measured.page(history), encoding="utf-8")
    draw_report(run.folder.path / "report.png", metadata, measured.answers, history)
    return measured.metrics
