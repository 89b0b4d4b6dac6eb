"""A recipe for those who have none: chosen by the task and by how large the photos are."""

from collections.abc import Collection, Sequence
from pathlib import Path
from statistics import median

import numpy as np

from models.images import Size
from models.preprocessing import Preprocessing
from training.fitting.recipe import Architecture, Fit, Recipe
from training.photos.augmentation import Augmentation
from training.photos.manifest import Manifest
from training.photos.scan import listed as list_photos
from training.photos.tasks import Task, task_named
from training.pipeline import beginning
from training.pipeline.beginning import Run

TINY = 64
"""Pixels. Up to here a small network from scratch learns more than a large one from ImageNet's photos."""

_SIDE, _CROPPED_FROM = 128, 160  # pixels, of the backbone: on one core it takes 0.8 of the talk's network's time
_PROBED = 50


def default_recipe(name: str, task: Task, manifest: Manifest) -> Recipe:
    """Chooses a small convolutional network for tiny pictures, else EfficientNet-Lite0 from its ImageNet weights.

    Args:
        name: of the model.
        task: what it is to tell.
        manifest: the photos.
    """
    side = median(max(photo.width, photo.height) for photo in manifest.photos)
    return _small(name, task, manifest, round(side)) if side <= TINY else _backbone(name, task)


def begin_by_task(
    task: str,
    name: str,
    photos: Sequence[Path],
    folder: Path,
    *,
    allow_leaks: bool = False,
    resumed_but: Collection[str] | None = None,
) -> Run:
    """Lays out a run folder as ``beginning.begin`` does, with a recipe chosen for the photos.

    Args:
        task: ``folder`` or another name of ``tasks.task_named``.
        name: of the model.
        photos: folders, or one manifest.
        folder: of the run.
        allow_leaks: see ``beginning.begin``.
        resumed_but: see ``beginning.begin``.

    Raises:
        TrainingError: see ``beginning.begin``.
    """
    listed = list_photos(photos, task_named(task))
    labels = sorted({photo.label for photo in listed.photos})
    recipe = default_recipe(name, task_named(task, labels), listed)
    text = "# Chosen by training/pipeline/defaults.py.\n" + recipe.to_toml()
    return beginning.lay_out(recipe, text.encode(), listed, folder, allow_leaks=allow_leaks, resumed_but=resumed_but)


def _small(name: str, task: Task, manifest: Manifest, side: int) -> Recipe:
    side = max(8, side)
    return Recipe(
        name=name,
        task=task.name,
        description=_description(task),
        input=Preprocessing(height=side, width=side, channels=1 if _is_grey(manifest) else 3),
        architecture=Architecture(name="small_cnn", dropout=0.4),
        fit=Fit(epochs=40, batch_size=32, learning_rate=1e-3, schedule="cosine", patience=10),
        augmentation=Augmentation(mirror=_may_mirror(task), min_area=0.85, tilt=8),
    )


def _backbone(name: str, task: Task) -> Recipe:
    return Recipe(
        name=name,
        task=task.name,
        description=_description(task),
        input=Preprocessing(height=_SIDE, width=_SIDE),
        architecture=Architecture(name="efficientnet_lite0", weights="imagenet", frozen_blocks=3, dropout=0.3),
        fit=Fit(
            epochs=12,
            batch_size=32,
            learning_rate=5e-4,
            schedule="cosine",
            warmup_epochs=0.5,
            weight_decay=0.02,
            label_smoothing=0.05,
            patience=5,
            balanced=task.made_by == "folder",
        ),
        augmentation=Augmentation(
            from_size=_CROPPED_FROM,
            mirror=_may_mirror(task),
            min_area=0.5,
            max_stretch=0.4,
            colour=0.3,
            grey=0.1,
            jpeg=0.2,
        ),
    )


def _description(task: Task) -> str:
    return f"Tells apart: {', '.join(task.label_names)}."


def _may_mirror(task: Task) -> bool:
    """Nobody can know whether a folder's label is right for a mirrored picture: a b becomes a d."""
    return task.mirror is not None


def _is_grey(manifest: Manifest) -> bool:
    step = max(1, len(manifest.photos) // _PROBED)
    images = (manifest.decode(photo, Size(TINY, TINY)) for photo in manifest.photos[::step])
    return all(not np.ptp(np.asarray(image), axis=2).any() for image in images)
