"""``calibrate``: a model, whoever trained it, learns from its user's photos how sure it may be."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.commands.given import model_file, photos_of, repository_of
from training.commands.parameters import PhotosArgument
from training.reporting.terminal import one_sentence, say, show_metrics

if TYPE_CHECKING:
    from training.photos.manifest import Manifest
    from training.shipping.recalibration import Recalibrated


def calibrate(
    model: Annotated[Path, typer.Argument(help="The model.onnx, of a repository or elsewhere.")],
    photos: PhotosArgument,
    error: Annotated[
        float | None,
        typer.Option(min=0.001, max=0.5, help="Wrong among certain answers, at most; else 0.05, orientation 0.01."),
    ] = None,
    together: Annotated[
        bool, typer.Option("--together", help="One threshold for all labels: for models of very many.")
    ] = False,
    models: Annotated[
        Path | None, typer.Option(help="The repository to publish to; else the one that the model lies in.")
    ] = None,
) -> None:
    """Calibrates a model on photos whose labels are known, measures it on others of them, publishes the next version.

    A folder for each label, half of which calibrates and half of which measures; or a manifest.csv, whose splits of
    that name do. Until then an imported model is certain of nothing.
    """
    from models.repository import ModelRepository
    from training.shipping import promotion, recalibration

    with one_sentence():
        repository = ModelRepository(models or repository_of(model))
        calibration, test = _parts(model, photos)
        done = recalibration.recalibrate(model_file(model).read_bytes(), calibration, test, error, together=together)
        show_metrics(done.metrics)
        _explain(done)
        say(f"published {promotion.publish(done.data, repository, test=test, require_metrics=False)}")


def _parts(model: Path, photos: list[Path]) -> "tuple[Manifest, Manifest]":
    listed = photos_of(model, photos)
    assert listed is not None  # noqa: S101 - photos are named
    if photos[0].suffix == ".csv":
        return listed.split("calibration"), listed.split("test")
    return listed.halves()


def _explain(done: "Recalibrated") -> None:
    from training.shipping.recalibration import answers_needed

    if never := done.never_certain:
        allowed = done.allowed_error
        few = ", ".join(never[:5]) + f" and {len(never) - 5} more" * (len(never) > 5)
        say(
            f"never certain: {few}. It takes {answers_needed(allowed)} answers of a label, all right, among the "
            f"photos that calibrate to show that at most {allowed:.1%} are wrong; --error allows more, --together has "
            "one threshold for all labels"
        )
