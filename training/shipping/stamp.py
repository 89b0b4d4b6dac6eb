"""The facts of a run, written into its model file."""

import json
import tomllib
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from models.metadata import PROPERTY, ModelMetadata, Source
from models.onnx_file import graph_sha256, with_properties
from models.repository import read_metadata
from training.fitting.recipe import Recipe
from training.fitting.run_folder import History, best_epoch
from training.photos.manifest import Manifest
from training.photos.tasks import Task
from training.shipping.versions import git_revision, installed_version

_TOOLS = ("keras", "tensorflow", "tf2onnx", "onnx", "onnxruntime", "numpy", "pillow")
_SOURCES_FILE = Path(__file__).with_name("sources.toml")


def stamp(data: bytes, metadata: ModelMetadata) -> bytes:
    """Returns the ONNX file with this metadata in place of what it had."""
    return with_properties(data, metadata.to_properties())


def restamp(data: bytes, **changes: object) -> bytes:
    """Returns a stamped ONNX file with some fields of its metadata changed.

    Raises:
        InvalidModelError: it was not stamped, or a change is not valid.
    """
    document = read_metadata(data).model_dump(mode="json") | changes
    return stamp(data, ModelMetadata.from_properties({PROPERTY: json.dumps(document)}))


def describe(recipe: Recipe, task: Task, data: bytes, manifest: Manifest, history: History) -> ModelMetadata:
    """The metadata of a run's exported model, before it is calibrated and measured.

    Args:
        recipe: the experiment.
        task: gives labels and their attributes.
        data: the ONNX file.
        manifest: all photos of the run.
        history: of the fit.
    """
    return ModelMetadata(
        name=recipe.name,
        version=1,  # publishing gives the real one
        description=recipe.description,
        limits=recipe.limits,
        default=recipe.default,
        labels=task.labels,
        preprocessing=recipe.input,
        decision_threshold=recipe.decision_threshold,
        graph_sha256=graph_sha256(data),
        sources=sources_of(manifest),
        training=_training(recipe, manifest, history),
        tools={name: installed_version(name) for name in _TOOLS},
        git_revision=git_revision(),
        created=datetime.now(UTC).date().isoformat(),
    )


def sources_of(manifest: Manifest) -> tuple[Source, ...]:
    """Where photos came from: each source's name, number of photos and licence."""
    known = tomllib.loads(_SOURCES_FILE.read_text(encoding="utf-8"))
    counts = Counter((photo.source, photo.licence) for photo in manifest.photos)
    return tuple(
        Source(name=name, images=count, licence=known.get(name, licence) if licence == "unknown" else licence)
        for (name, licence), count in sorted(counts.items())
    )


def _training(recipe: Recipe, manifest: Manifest, history: History) -> dict[str, str]:
    splits = Counter(photo.split for photo in manifest.photos)
    return {
        "architecture": recipe.architecture.name,
        "photos": ", ".join(f"{count} {name}" for name, count in splits.items()),
        **_learning(history),
        "recipe": recipe.model_dump_json(exclude={"name", "description", "limits", "search"}),
    }


def _learning(history: History) -> dict[str, str]:
    if not history:
        return {"epochs": "none: the weights are those that it starts from"}
    best = best_epoch(history)
    return {
        "epochs": f"{len(history)}, the best of them number {best}",
        "validation_accuracy": f"{history[best - 1]['val_accuracy']:.4f}",
        "images_per_s": f"{sum(epoch['images_per_s'] for epoch in history) / len(history):.0f}",
    }
