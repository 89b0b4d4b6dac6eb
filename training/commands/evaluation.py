"""``evaluate``: what a model file is worth on photos whose labels are known."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from models.counted import counted
from models.errors import TrainingError
from training.commands.given import refuse_options, refuse_other_suffix
from training.commands.parameters import RobustnessOption
from training.reporting.terminal import one_sentence, say, show_metrics, show_sensor_answers

if TYPE_CHECKING:
    from training.photos.manifest import Manifest
    from training.reporting.assessment import Assessment

SplitOrAll = Literal["train", "validation", "calibration", "test", "all"]
ENOUGH_FOR_PERCENTAGES = 100  # photos whose label is their camera's tag


def evaluate(
    context: typer.Context,
    model: Annotated[
        Path, typer.Argument(help="A run folder (its test split is measured and stamped) or a model.onnx.")
    ],
    photos: Annotated[
        list[Path] | None, typer.Argument(help="For a model.onnx: folders of photos, or one manifest.csv.")
    ] = None,
    split: Annotated[SplitOrAll, typer.Option(help="Of a manifest.csv: the split to measure on, or `all`.")] = "test",
    without_leaks: Annotated[
        bool, typer.Option(help="Leave out photos that have a near-duplicate in another split.")
    ] = False,
    sensor: Annotated[
        bool, typer.Option("--sensor", help="Photos that a camera stored sideways: their EXIF tag is the label.")
    ] = False,
    with_upright: Annotated[bool, typer.Option(help="With --sensor: those with EXIF orientation 1 too.")] = False,
    robustness: RobustnessOption = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write one HTML page to this file; it holds small copies of photos.")
    ] = None,
) -> None:
    """Measures an ONNX file, with intervals: accuracy, calibration, ranking, results by source, the worst errors."""
    with one_sentence():
        refuse_other_suffix(json_file, ".json")
        refuse_other_suffix(report, ".html")
        if not photos:
            _evaluate_run(context, model, robustness)
            return
        _refuse_what_is_not_heeded(context, sensor=sensor, manifest=photos[0].suffix == ".csv")
        file = model / "model.onnx" if model.is_dir() else model
        measured = (
            _on_sensor_set(file, photos, with_upright)
            if sensor
            else _on_photos(file, photos, split, without_leaks, robustness)
        )
        if (json_file or report) and measured.metrics.images < ENOUGH_FOR_PERCENTAGES and sensor:
            raise TrainingError(
                f"figures of {counted(measured.metrics.images, 'photo')} would say nothing; they are shown above"
            )
        if json_file:
            json_file.write_text(json.dumps(measured.metrics.model_dump(mode="json"), indent=2) + "\n")
        if report:
            from training.fitting.run_folder import RunFolder

            report.write_text(measured.page(RunFolder(file.parent).history()), encoding="utf-8")
            say(f"wrote {report}")


def _refuse_what_is_not_heeded(context: typer.Context, *, sensor: bool, manifest: bool) -> None:
    always = ("model", "photos", "json_file", "report")
    if sensor:
        refuse_options(context, (*always, "sensor", "with_upright"), "with --sensor, all photos are shown as stored")
    elif manifest:
        refuse_options(context, (*always, "split", "without_leaks", "robustness"), "that goes with --sensor")
    else:
        refuse_options(context, (*always, "robustness"), "all photos of a folder are measured on")


def _evaluate_run(context: typer.Context, folder: Path, robustness: bool) -> None:
    from training.pipeline.beginning import open_run
    from training.pipeline.judging import evaluate_run

    if folder.suffix == ".onnx":
        raise TrainingError(f"on which photos? {folder} is one file: name folders of photos, or a manifest.csv")
    refuse_options(context, ("model", "robustness"), "a run is measured on its own test split, into its folder")
    show_metrics(evaluate_run(open_run(folder), robustness=robustness))
    say(f"wrote {folder}/MODEL_CARD.md, report.html and report.png")


def _on_photos(model: Path, photos: list[Path], split: str, without_leaks: bool, robustness: bool) -> "Assessment":
    from training.reporting.assessment import assess

    measured = assess(model, _listed(model, photos, split, without_leaks), robustness=robustness)
    show_metrics(measured.metrics)
    return measured


def _on_sensor_set(model: Path, photos: list[Path], with_upright: bool) -> "Assessment":
    """A handful of photos is shown one by one: a percentage of them would say nothing."""
    from training.measuring.sensor_set import sensor_set
    from training.reporting.assessment import assess_on_sensor_set

    found = sensor_set(photos, with_upright=with_upright)
    measured = assess_on_sensor_set(model, found)
    if len(found.tags) < ENOUGH_FOR_PERCENTAGES:
        show_sensor_answers(found, measured)
    else:
        show_metrics(measured.metrics)
    return measured


def _listed(model: Path, photos: list[Path], split: str, without_leaks: bool) -> "Manifest":
    from models.repository import read_metadata
    from training.photos.scan import listed as list_photos
    from training.photos.tasks import task_of

    listed = list_photos(photos, task_of(read_metadata(model.read_bytes(), model).labels))
    if photos[0].suffix != ".csv":
        return listed
    if without_leaks:
        listed = listed.without_leaks()
    return listed if split == "all" else listed.split(split)
