"""``manifest``, ``train`` and ``export``: from photos to a run folder with a model in it."""

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from models.errors import TrainingError
from training.commands.given import checked_name
from training.commands.parameters import SHIPPED, BesideOption, ModelsOption, RunArgument
from training.commands.publishing import publish_file
from training.networks.backend import import_keras
from training.reporting.terminal import one_sentence, say, show_counts, show_metrics

if TYPE_CHECKING:
    from keras.callbacks import Callback

    from training.fitting.workers import Workers
    from training.photos.manifest import Manifest
    from training.pipeline.beginning import Run

TaskName = Literal["folder", "orientation", "selfie"]
"""One that is misspelt must not become the name of a task of folders, as a recipe's may."""

_RUNS = Path("runs")


def manifest(
    photos: Annotated[list[Path], typer.Argument(help="Folders of photos.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where to write it; photos listed there keep their split.")
    ] = Path("manifest.csv"),
    task: Annotated[
        TaskName, typer.Option(help="Labels are folders, or with `orientation` made by turning.")
    ] = "folder",
    own_splits: Annotated[bool, typer.Option(help="Take the test split from the folder's own manifest.csv.")] = False,
    leave_out: Annotated[
        list[str] | None,
        typer.Option(help="A source to test on, and on no other; repeatable. Into a new file: in -o, splits are kept."),
    ] = None,
    beside: BesideOption = None,
    learn_from: Annotated[
        float, typer.Option(min=0, max=1, help="Keep this share of the training photos: for a learning curve.")
    ] = 1.0,
) -> None:
    """Lists photos with digest, size, label, group of near-duplicates and split."""
    from training.photos.folds import joined
    from training.photos.manifest import Manifest
    from training.photos.scan import scan
    from training.photos.tasks import task_named

    with one_sentence():
        known = Manifest.read(output) if output.exists() else None
        listed = scan(photos, task_named(task), own_splits=own_splits, known=known)
        if not own_splits:
            listed.check_splits()
        if leave_out:
            listed = _leaving_out(listed, leave_out)
        if learn_from < 1:
            listed = listed.learning_from(learn_from)
        if beside:
            listed = joined(listed, beside, task_named(task))
        listed.write(output)
        show_counts(listed)
        say(f"wrote {output}")


def _leaving_out(listed: "Manifest", sources: list[str]) -> "Manifest":
    from training.photos.finding import tell

    left = listed.leaving_out(sources)
    gone = Counter(photo.source for photo in listed.photos) - Counter(photo.source for photo in left.photos)
    tell("not listed, as it was to be tested on, or resembles what is", [f"{n} of {name}" for name, n in gone.items()])
    return left


def train(
    photos: Annotated[
        list[Path],
        typer.Argument(metavar="[RECIPE] PHOTOS…", help="A recipe, and folders of photos or one manifest.csv."),
    ],
    task: Annotated[
        TaskName | None,
        typer.Option(help="Train without a recipe: `folder` (one for each label), or `orientation` (upright photos)."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Of a model without a recipe; by default the folder's.")] = None,
    run: Annotated[Path | None, typer.Option(help="The run's folder; by default runs/NAME.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where an interrupted run of this recipe and these photos stopped.")
    ] = False,
    devices: Annotated[int, typer.Option(min=1, help="GPUs (or CPU devices) that share each batch.")] = 1,
    workers: Annotated[
        str | None, typer.Option(metavar="HOST:PORT,…", help="Learn on several machines; the same list on each.")
    ] = None,
    worker: Annotated[int | None, typer.Option(help="Which of --workers this one is, from 0.")] = None,
    mlflow: Annotated[Path | None, typer.Option(metavar="DIR", help="Log to MLflow in this folder too.")] = None,
    publish: Annotated[bool, typer.Option("--publish", help="Publish the measured model.")] = False,
    allow_leaks: Annotated[
        bool, typer.Option(help="Accept near-duplicates across splits (a foreign test split).")
    ] = False,
    models: ModelsOption = SHIPPED,
) -> None:
    """Photos to a measured model: manifest, fit, export, calibrate, evaluate and, if asked, publish."""
    with one_sentence():
        together = _workers(workers, worker, devices)
        current = _begin(photos, task, name, run, allow_leaks, resume)
        folder = current.folder.path
        show_counts(current.manifest)
        if together:
            _learn_together(current, together, resume, mlflow)
            if not together.first:
                return
        import_keras()
        from training.pipeline import judging, pipeline

        if not together:
            pipeline.train(current, resume=resume, devices=devices, callbacks=_callbacks(mlflow, current))
        pipeline.export_run(current)
        show_metrics(judging.evaluate_run(current))
        say(f"wrote {folder}/model.onnx, MODEL_CARD.md and report.png")
        if publish:
            publish_file(folder, models)


def _workers(text: str | None, number: int | None, devices: int) -> "Workers | None":
    if text is None and number is None:
        return None
    if text is None or devices > 1:
        raise TrainingError("--worker goes with --workers, and not with --devices: all of a worker's devices learn")
    from training.fitting.workers import Workers

    return Workers.parse(text, number)


def _learn_together(run: "Run", workers: "Workers", resume: bool, mlflow: Path | None) -> None:
    from training.pipeline.together import train_together

    train_together(run, workers, resume=resume, mlflow=mlflow)
    if not workers.first:
        say(f"{workers.told(workers.number)} is done; {workers.told(0)} makes the model")


def _begin(
    photos: list[Path], task: TaskName | None, name: str | None, run: Path | None, allow_leaks: bool, resume: bool
) -> "Run":
    from training.fitting.learned_from import LONGER
    from training.pipeline import beginning
    from training.pipeline.defaults import begin_by_task

    may_differ = LONGER if resume else None
    if task is not None:
        name = checked_name(name or _model_name(photos[0]))
        return begin_by_task(task, name, photos, run or _RUNS / name, allow_leaks=allow_leaks, resumed_but=may_differ)
    if name is not None:
        raise TrainingError("--name goes with --task: a recipe says its model's name itself")
    recipe, *rest = photos
    if recipe.suffix != ".toml" or not rest:
        raise TrainingError("give a recipe and its photos, or --task folder and photos: one folder for each label")
    return beginning.begin(recipe, rest, run or _RUNS / recipe.stem, allow_leaks=allow_leaks, resumed_but=may_differ)


def _model_name(photos: Path) -> str:
    """A name that a URL can hold."""
    folder = photos.resolve().parent if photos.suffix == ".csv" else photos.resolve()
    return re.sub("[^a-z0-9._-]+", "-", folder.name.lower()).strip("-._")[:64]


def _callbacks(mlflow: Path | None, run: "Run") -> "list[Callback]":
    if mlflow is None:
        return []
    from training.fitting.tracking import MlflowLog

    return [MlflowLog(mlflow, run.recipe, run.folder)]


def export(run: RunArgument) -> None:
    """Converts a run's best weights to ONNX and checks that both answer alike."""
    from training.pipeline.beginning import open_run

    with one_sentence():
        opened = open_run(run)
        import_keras()
        from training.pipeline import pipeline

        pipeline.export_run(opened)
        say(f"wrote {run}/model.onnx")
