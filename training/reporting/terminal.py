"""What ``loupe-train`` shows: counts, figures, and errors of one line."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from models.counted import counted
from models.errors import LoupeError

if TYPE_CHECKING:  # every command imports this module, and `--help` needs neither
    from models.metrics import Metrics
    from training.measuring.sensor_set import SensorSet
    from training.photos.manifest import Manifest
    from training.reporting.assessment import Assessment

_out = Console()
_error = Console(stderr=True)
_AS_WIDE_AS_NEEDED = 10_000  # characters; a table takes what it needs of them


@contextmanager
def one_sentence() -> Iterator[None]:
    """Turns our errors, and those of files, into one line and exit status 1."""
    try:
        yield
    except (LoupeError, OSError) as error:
        _error.print(f"error: {_told(error)}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None


def _told(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"  # str() begins with its number
    return str(error)


def say(text: str) -> None:
    """One line, as it is: paths are neither wrapped nor taken for markup."""
    _out.print(text, markup=False, highlight=False, soft_wrap=True)


def show_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table; all columns but the first hold figures."""
    table = Table()
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="right" if index else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    _print(table)


def show_counts(manifest: "Manifest") -> None:
    """How many photos, groups, and photos of each split."""
    from training.photos.manifest import SPLITS

    counts = {split: len(manifest.split(split).photos) for split in SPLITS}
    groups = len({photo.group for photo in manifest.photos})
    text = ", ".join(f"{count} {split}" for split, count in counts.items())
    say(f"{counted(len(manifest.photos), 'photo')} in {counted(groups, 'group')}: {text}")


def show_metrics(metrics: "Metrics") -> None:
    """The figures of a measurement, as a table."""
    table = Table(
        title=f"{metrics.accuracy:.2%} right on {counted(metrics.images, 'test image')}", title_justify="left"
    )
    for heading in ("label", "precision", "recall", "images"):
        table.add_column(heading, justify="left" if heading == "label" else "right")
    for name, figures in metrics.labels.items():
        table.add_row(escape(name), f"{figures.precision:.2%}", f"{figures.recall:.2%}", str(figures.support))
    _print(table)
    if metrics.accuracy_interval and metrics.groups:
        photos = counted(metrics.groups, "independent photo")
        say(f"accuracy {_between(metrics.accuracy_interval)} (95 % interval, {photos})")
    if metrics.roc_auc is not None:
        say(f"ROC-AUC {metrics.roc_auc:.4f}")
    if metrics.recall_at_95_specificity is not None:
        say(f"recall at 95 % specificity: {metrics.recall_at_95_specificity:.2%}")
    if metrics.calibration_error is not None:
        say(f"calibration error {metrics.calibration_error:.2%}; by chance {metrics.calibration_error_by_chance:.2%}")
    certain = "" if metrics.certain_accuracy is None else f", {metrics.certain_accuracy:.2%} of them right"
    say(f"certain: {metrics.certain_share:.2%} of the answers{certain}")
    for name, condition in metrics.conditions.items():
        auc = "" if condition.roc_auc is None else f", ROC-AUC {condition.roc_auc:.4f}"
        say(f"{name}: {condition.accuracy:.2%}{auc}")


def show_sensor_answers(photos: "SensorSet", measured: "Assessment") -> None:
    """What a model says of each photo of a sensor set."""
    from training.measuring.evaluation import judge

    verdicts = judge(measured.answers, measured.metadata)
    table = Table(title=f"{verdicts.right.sum()} of {counted(len(photos.tags), 'photo')} right", title_justify="left")
    for heading in ("photo", "tag", "is", "answered", "probability", "certain", ""):
        table.add_column(heading, overflow="fold")
    for index, (photo, tag) in enumerate(zip(photos.manifest.photos, photos.tags, strict=True)):
        answered = measured.metadata.label_names[verdicts.answered[index]]
        row = (escape(photo.path), str(tag), photo.label, answered, f"{verdicts.probability[index]:.1%}")
        table.add_row(*row, "yes" if verdicts.certain[index] else "no", "" if verdicts.right[index] else "wrong")
    _print(table)


def _print(table: Table) -> None:
    """As wide as the terminal; where there is none, as wide as the table, so that no name is cut."""
    (_out if _out.is_terminal else Console(width=_AS_WIDE_AS_NEEDED)).print(table)


def _between(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.2%} to {interval[1]:.2%}"
