"""``loupe-train``: from a folder of photos to a published model, in one command or step by step."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from models.errors import LoupeError, TrainingError

if TYPE_CHECKING:
    from models.metadata import Metrics
    from models.preprocessing import Preprocessing
    from training.manifest import Manifest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before TensorFlow is imported: its start-up notes hide ours

app = typer.Typer(
    name="loupe-train",
    help="Trains image classifiers and turns them into files that `loupe serve` serves.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
_out = Console()
_error = Console(stderr=True)

PhotosArgument = Annotated[list[Path], typer.Argument(help="Folders of photos, or one manifest.csv.")]
RunArgument = Annotated[Path, typer.Argument(help="A run folder, as `train` makes it.")]
ModelsOption = Annotated[Path, typer.Option("--models", help="The repository to publish to.", envvar="LOUPE_MODELS")]
_SHIPPED = Path("models")


@contextmanager
def _one_sentence() -> Iterator[None]:
    """Turns our errors into one line and exit status 1."""
    try:
        yield
    except LoupeError as error:
        _error.print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None


@app.command()
def manifest(
    photos: Annotated[list[Path], typer.Argument(help="Folders of photos.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where to write it; photos listed there keep their split.")
    ] = Path("manifest.csv"),
    task: Annotated[
        str, typer.Option(help="`orientation` (labels are made by turning), or any other: labels are folders.")
    ] = "folders",
    own_splits: Annotated[bool, typer.Option(help="Take the test split from the folder's own manifest.csv.")] = False,
) -> None:
    """Lists photos with digest, size, label, group of near-duplicates and split."""
    from training.manifest import Manifest
    from training.scan import scan
    from training.tasks import task_named

    with _one_sentence():
        known = Manifest.read(output) if output.exists() else None
        listed = scan(photos, task_named(task), own_splits=own_splits, known=known)
        if not own_splits:
            listed.check_splits()
        listed.write(output)
        _print_counts(listed)
        _out.print(f"wrote {output}")


@app.command()
def train(
    recipe: Annotated[Path, typer.Argument(help="One of training/recipes/*.toml, or your own.")],
    photos: PhotosArgument,
    run: Annotated[Path | None, typer.Option(help="The run's folder; by default runs/<recipe>.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an interrupted run stopped.")] = False,
    publish: Annotated[bool, typer.Option("--publish", help="Publish the measured model.")] = False,
    allow_leaks: Annotated[
        bool, typer.Option(help="Accept near-duplicates across splits (a foreign test split).")
    ] = False,
    models: ModelsOption = _SHIPPED,
) -> None:
    """Photos to a measured model: manifest, fit, export, calibrate, evaluate and, if asked, publish."""
    from training import pipeline

    with _one_sentence():
        folder = run or Path("runs") / recipe.stem
        current = pipeline.begin(recipe, photos, folder, allow_leaks=allow_leaks)
        _print_counts(current.manifest)
        pipeline.train(current, resume=resume)
        pipeline.export_run(current)
        _print_metrics(pipeline.evaluate_run(current))
        _out.print(f"wrote {folder}/model.onnx, MODEL_CARD.md and report.png")
        if publish:
            _publish(folder / "model.onnx", models, None)


@app.command()
def export(run: RunArgument) -> None:
    """Converts a run's best weights to ONNX and checks that both answer alike."""
    from training import pipeline

    with _one_sentence():
        pipeline.export_run(pipeline.open_run(run))
        _out.print(f"wrote {run}/model.onnx")


@app.command()
def evaluate(
    model: Annotated[
        Path, typer.Argument(help="A run folder (its test split is measured and stamped) or a model.onnx.")
    ],
    photos: Annotated[
        list[Path] | None, typer.Argument(help="For a model.onnx: folders of photos, or one manifest.csv.")
    ] = None,
    split: Annotated[str, typer.Option(help="Of a manifest.csv: the split to measure on, or `all`.")] = "test",
    without_leaks: Annotated[
        bool, typer.Option(help="Leave out photos that have a near-duplicate in another split.")
    ] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
    picture: Annotated[Path | None, typer.Option(help="Draw them to this PNG.")] = None,
) -> None:
    """Measures an ONNX file: accuracy, precision, recall, confusion, ROC-AUC, results by source."""
    from models.repository import read_metadata
    from training import pipeline
    from training.report import draw_report

    with _one_sentence():
        if not photos:
            _print_metrics(pipeline.evaluate_run(pipeline.open_run(model)))
            return
        listed = _photos_to_measure(model, photos, split, without_leaks)
        metrics, answers = pipeline.evaluate_file(model, listed)
        if json_file:
            json_file.write_text(json.dumps(metrics.model_dump(mode="json"), indent=2) + "\n")
        if picture:
            metadata = read_metadata(model.read_bytes()).model_copy(update={"metrics": metrics})
            draw_report(picture, metadata, answers)
        _print_metrics(metrics)


class Layout(StrEnum):
    """Order of a float input's axes."""

    NCHW = "nchw"
    NHWC = "nhwc"


class Output(StrEnum):
    """What a graph gives."""

    AUTO = "auto"
    LOGITS = "logits"
    PROBABILITIES = "probabilities"


@app.command("import")
def import_command(
    model: Annotated[Path, typer.Argument(help="The ONNX file of a classifier with one float32 input.")],
    name: Annotated[str, typer.Option(help="Its name in the repository.")],
    labels: Annotated[
        str, typer.Option(help="Comma-separated, in the order of the output, or a file with one a line.")
    ],
    size: Annotated[str, typer.Option(help="Height and width of the input in pixels: 224 or 224x224.")],
    mean: Annotated[str, typer.Option(help="By channel, for pixels in [0, 1].")] = "0.485,0.456,0.406",
    std: Annotated[str, typer.Option(help="By channel, for pixels in [0, 1].")] = "0.229,0.224,0.225",
    layout: Annotated[Layout, typer.Option(help="Order of the input's axes.")] = Layout.NCHW,
    output: Annotated[Output, typer.Option(help="What the graph gives; `auto` asks it.")] = Output.AUTO,
    fit: Annotated[
        str, typer.Option(help="How a picture meets the input: `center_crop` or `squeeze`.")
    ] = "center_crop",
    description: Annotated[str, typer.Option(help="One sentence for people.")] = "Imported classifier.",
    models: ModelsOption = _SHIPPED,
) -> None:
    """Publishes a classifier trained elsewhere (PyTorch, timm): normalisation and softmax go inside the graph."""
    from models.repository import ModelRepository
    from training import importing, promotion

    with _one_sentence():
        means, stds = _numbers(mean), _numbers(std)
        foreign = importing.ForeignModel(_labels(labels), means, stds, layout.value, output.value)
        data = importing.import_onnx(model, name, description, _preprocessing(size, fit, len(means)), foreign)
        _out.print(f"published {promotion.publish(data, ModelRepository(models), require_metrics=False)}")


@app.command()
def publish(
    model: Annotated[Path, typer.Argument(help="A run folder or a model.onnx.")],
    version: Annotated[int | None, typer.Option(min=1, help="By default the next one.")] = None,
    models: ModelsOption = _SHIPPED,
) -> None:
    """Adds a measured model to a repository; a version is never overwritten."""
    with _one_sentence():
        _publish(model / "model.onnx" if model.is_dir() else model, models, version)


def _publish(model: Path, models: Path, version: int | None) -> None:
    from models.repository import ModelRepository
    from training import promotion

    if not model.is_file():
        raise TrainingError(f"there is no model {model}")
    _out.print(f"published {promotion.publish(model.read_bytes(), ModelRepository(models), version)}")


def _photos_to_measure(model: Path, photos: list[Path], split: str, without_leaks: bool) -> "Manifest":
    from models.repository import read_metadata
    from training.manifest import Manifest
    from training.scan import scan
    from training.tasks import task_of

    if photos[0].suffix != ".csv":
        return scan(photos, task_of(read_metadata(model.read_bytes()).labels))
    listed = Manifest.read(photos[0])
    if without_leaks:
        listed = listed.without_leaks()
    return listed if split == "all" else listed.split(split)


def _labels(text: str) -> tuple[str, ...]:
    path = Path(text)
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else text.split(",")
    return tuple(line.strip() for line in lines if line.strip())


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(number) for number in text.split(","))
    except ValueError:
        raise TrainingError(f"{text!r} is not a list of numbers separated by commas") from None


def _preprocessing(size: str, fit: str, channels: int) -> "Preprocessing":
    from pydantic import ValidationError

    from models.preprocessing import Preprocessing

    height, _, width = size.partition("x")
    try:
        return Preprocessing.model_validate(
            {"height": height, "width": width or height, "channels": channels, "fit": fit}
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise TrainingError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _print_counts(manifest: "Manifest") -> None:
    from training.manifest import SPLITS

    counts = {split: len(manifest.split(split).photos) for split in SPLITS}
    groups = len({photo.group for photo in manifest.photos})
    text = ", ".join(f"{count} {split}" for split, count in counts.items())
    _out.print(f"{len(manifest.photos)} photos in {groups} groups: {text}", highlight=False)


def _print_metrics(metrics: "Metrics") -> None:
    table = Table(title=f"{metrics.accuracy:.2%} right on {metrics.images} test images", title_justify="left")
    for heading in ("label", "precision", "recall", "images"):
        table.add_column(heading, justify="left" if heading == "label" else "right")
    for name, figures in metrics.labels.items():
        table.add_row(name, f"{figures.precision:.2%}", f"{figures.recall:.2%}", str(figures.support))
    _out.print(table)
    if metrics.roc_auc is not None:
        _out.print(f"ROC-AUC {metrics.roc_auc:.4f}", highlight=False)
    certain = "" if metrics.certain_accuracy is None else f", {metrics.certain_accuracy:.2%} of them right"
    _out.print(f"certain: {metrics.certain_share:.2%} of the answers{certain}", highlight=False)
