"""What comes before training: the folder of a run, with its recipe and its photos; nothing here needs Keras."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.errors import TrainingError
from training.fitting.learned_from import check_about, check_resumed
from training.fitting.recipe import Recipe
from training.fitting.run_folder import RunFolder
from training.photos.leakage import check_leakage
from training.photos.manifest import Manifest
from training.photos.scan import listed
from training.photos.tasks import Task, task_named

LEAST_PHOTOS = 20
"""Of each label, where folders make them."""


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


def begin(
    recipe: Path,
    photos: Sequence[Path],
    folder: Path,
    *,
    allow_leaks: bool = False,
    resumed_but: Collection[str] | None = None,
) -> Run:
    """Lays out a run folder: copies the recipe, scans the photos or copies their manifest.

    Args:
        recipe: a TOML file.
        photos: folders, or one manifest.
        folder: of the run; what an earlier run left there is kept for ``--resume``.
        allow_leaks: for a data set whose own test split repeats training photos.
        resumed_but: to go on with what the folder holds: the recipe's keys that may differ from that one's.

    Raises:
        TrainingError: the recipe is wrong, there are too few photos or labels, or near-duplicates cross splits; or
            what the folder holds is of another recipe or other photos, and would be heeded.
    """
    known = Recipe.read(recipe)
    manifest = listed(photos, task_named(known.task))
    return lay_out(known, recipe.read_bytes(), manifest, folder, allow_leaks=allow_leaks, resumed_but=resumed_but)


def lay_out(
    recipe: Recipe,
    text: bytes,
    manifest: Manifest,
    folder: Path,
    *,
    allow_leaks: bool = False,
    resumed_but: Collection[str] | None = None,
    heeds_strangers: bool = True,
) -> Run:
    """As ``begin``, of what is read already. What is wrong is told before an earlier run's files are replaced.

    Args:
        recipe: what to do.
        text: the same, as TOML.
        manifest: of the photos.
        folder: see ``begin``.
        allow_leaks: see ``begin``.
        resumed_but: see ``begin``.
        heeds_strangers: what ``crossval`` left in the folder must be about this recipe and these photos.

    Raises:
        TrainingError: see ``begin``.
    """
    if not allow_leaks:
        check_leakage(manifest)
    run = Run(RunFolder(folder), recipe, manifest, folder.parent / "cache")
    _check_before_hours_of_training(run)
    if resumed_but is not None:
        check_resumed(run.folder.recipe, run.folder.manifest, (recipe, manifest), resumed_but)
    if heeds_strangers:
        check_about(run.folder.strangers, recipe, manifest)
    manifest.write(run.folder.manifest)
    run.folder.recipe.write_bytes(text)
    return open_run(folder)


def _check_enough_of_each(run: Run) -> None:
    """Of fewer photos a test split holds two: whatever is measured on them is chance."""
    if run.task.made_by != "folder":
        return
    counts = Counter(photo.label for photo in run.manifest.photos)
    few = [f"{counts[label]} of {label}" for label in run.task.label_names if counts[label] < LEAST_PHOTOS]
    if few:
        raise TrainingError(
            f"at least {LEAST_PHOTOS} photos of each label are needed; there are {', '.join(few[:5])}"
            + f" and too few of {len(few) - 5} more" * (len(few) > 5)
        )
    learned = {photo.label for photo in run.manifest.split("train").photos}
    if learned and (unlearned := [label for label in run.task.label_names if label not in learned]):
        raise TrainingError(f"no photo of {unlearned[0]} lies in the train split, so nothing could be learned of it")


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
        raise TrainingError(f"at least two labels are needed, a folder for each; there is {', '.join(names) or 'none'}")
    if run.recipe.decision_threshold is not None and len(names) != 2:
        raise TrainingError(f"a decision_threshold is for two labels, there are {len(names)}: {', '.join(names)}")
    _check_enough_of_each(run)
    for split in ("train", "validation", "test"):
        if not run.manifest.split(split).photos:
            raise TrainingError(f"the {split} split is empty: there are too few photos")
