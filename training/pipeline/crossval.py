"""A recipe, cross-validated over sources: what strangers may expect of it, and the thresholds that hold for them.

Each fold is a run of its own, in a folder of the run's, and is not trained again once its answers are written. Where a
recipe begins with what other runs learned, each fold begins with what theirs did: the whole runs know its sources.
"""

import shutil
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from models.errors import TrainingError
from training.fitting.learned_from import check_resumed, digests
from training.fitting.recipe import Recipe
from training.fitting.run_folder import RunFolder
from training.graph.export import export
from training.measuring.evaluation import Answers, ask
from training.measuring.ranking import ranking_interval, recall_at_95_specificity, roc_auc
from training.photos.dataset import load_photos
from training.photos.folds import dealt, drawn
from training.photos.manifest import Manifest
from training.pipeline.beginning import Run
from training.pipeline.pipeline import PARITY_PICTURES, best_network, train
from training.shipping.strangers import Strangers


def cross_validated(run: Run, over: frozenset[str], folds: int, *, resume: bool, learn_from: float = 1.0) -> Strangers:
    """Trains a model for each fold, and asks it about the fold's sources.

    Args:
        run: its folder gets ``strangers.csv``, with all answers, which calibration heeds from then on (but for those of
            models that learned from a share only).
        over: the sources that are dealt to folds; all other photos that may be learned from, each fold learns from.
        folds: how many.
        resume: goes on where an interrupted one stopped; else, what an earlier one learned is gone.
        learn_from: the share of the dealt sources that models learn from, those of the other folds among them; all are
            asked about. What do more of them bring?

    Raises:
        TrainingError: the recipe does not tell two labels apart, there are fewer sources than folds, it begins with
            weights of a run that was not cross-validated over the same, or a fold to resume is of another recipe or
            other photos.
    """
    if len(run.task.labels) != 2 or run.task.made_by != "folder":
        raise TrainingError(
            f"{run.recipe.name} does not tell two labels of photos apart; only such are cross-validated"
        )
    hands = dealt([photo for photo in run.manifest.photos if photo.source in over], folds)
    unlearned = over - drawn(over, learn_from)
    if not resume:
        _clear(run.folder)
    strangers = Strangers.together(list(_answers(run, hands, unlearned, resume)))
    strangers.write(run.folder.strangers, digests(run.recipe, _without(run.manifest, unlearned)))
    return strangers


def _clear(folder: RunFolder) -> None:
    """One that is stopped before its last fold must not be resumed with folds of the one before."""
    folder.strangers.unlink(missing_ok=True)
    for fold in folder.path.glob("fold-*"):
        shutil.rmtree(fold)


def _without(manifest: Manifest, sources: Collection[str]) -> Manifest:
    return replace(manifest, photos=tuple(photo for photo in manifest.photos if photo.source not in sources))


def _answers(run: Run, hands: Iterable[list[str]], unlearned: frozenset[str], resume: bool) -> Iterator[Answers]:
    for number, held_back in enumerate(hands, 1):
        fold = fold_of(run, number, frozenset(held_back), unlearned, resume=resume)
        about = digests(fold.recipe, fold.manifest)
        done = Strangers.read(fold.folder.strangers, about)
        if done is None:
            keras.utils.clear_session()  # Keras would keep every network
            train(fold, resume=resume)
            done = Strangers.together([_asked(fold)])
            done.write(fold.folder.strangers, about)
        yield done.answers


def fold_of(
    run: Run,
    number: int,
    held_back: frozenset[str],
    unlearned: frozenset[str] = frozenset(),
    *,
    resume: bool = False,
) -> Run:
    """A run in a folder of the run's own, whose test photos are those of the sources that are held back.

    Other sources' near-duplicates of them are not learned from.

    Args:
        run: of all photos.
        number: of the fold, from 1.
        held_back: names of sources.
        unlearned: names of sources that are not learned from either.
        resume: what the folder holds is gone on with.

    Raises:
        TrainingError: that is of another recipe or other photos, or the recipe begins with weights that know these.
    """
    manifest = _without(run.manifest, unlearned - held_back).leaving_out(held_back)
    folder = RunFolder(run.folder.path / _name(number))
    folder.path.mkdir(exist_ok=True)
    recipe = _beginning_with_folds(run.recipe, number, held_back)
    if resume:
        check_resumed(folder.recipe, folder.manifest, (recipe, manifest), ())
    manifest.write(folder.manifest)
    folder.recipe.write_text(recipe.to_toml(), encoding="utf-8")
    return replace(run, folder=folder, recipe=recipe, manifest=manifest)


def _name(number: int) -> str:
    return f"fold-{number}"


def _beginning_with_folds(recipe: Recipe, number: int, held_back: frozenset[str]) -> Recipe:
    """The recipe, with the weights of other runs' folds in place of theirs.

    Published files are taken as they are, and so are runs that never saw these sources.
    """
    given = recipe.architecture.weights
    several = (given,) if isinstance(given, str) else given
    found = tuple(_of_fold(Path(one), number, held_back) if _may_know(Path(one), held_back) else one for one in several)
    architecture = recipe.architecture.model_copy(update={"weights": found[0] if isinstance(given, str) else found})
    return recipe.model_copy(update={"architecture": architecture})


def _may_know(weights: Path, sources: frozenset[str]) -> bool:
    """Whether a run made them that may have learned from these sources; without its manifest, nobody can tell."""
    manifest = RunFolder(weights.parent).manifest
    if not manifest.is_file():
        return weights.suffix == ".h5"
    return any(photo.source in sources and photo.split != "test" for photo in Manifest.read(manifest).photos)


def _of_fold(weights: Path, number: int, held_back: frozenset[str]) -> str:
    """A run's weights → those of its fold that did not see these sources either."""
    fold = RunFolder(weights.parent / _name(number))
    asked = Manifest.read(fold.manifest).split("test").photos if fold.best_weights.is_file() else ()
    if held_back != {photo.source for photo in asked}:
        raise TrainingError(
            f"{weights} may have learned from what fold {number} is asked about; "
            "cross-validate its run first, over the same sources"
        )
    return str(fold.best_weights)


def _asked(fold: Run) -> Answers:
    """What the fold's best weights say of its test photos, unscaled."""
    watched = load_photos(fold.manifest.split("validation"), fold.task, fold.recipe.input, fold.cache)
    data = export(best_network(fold), np.array(watched.pixels[:PARITY_PICTURES]))
    return ask(data, fold.recipe.input, fold.manifest.split("test"), fold.task)


def figures(strangers: Strangers) -> list[tuple[str, ...]]:
    """By fold and together: how many photos, AUC and recall at 95 % specificity, with intervals over sources."""
    rows = [(str(fold), *_row(strangers.part(strangers.folds == fold))) for fold in np.unique(strangers.folds)]
    return [*rows, ("all", *_row(strangers.answers))]


def _row(answers: Answers) -> tuple[str, ...]:
    scores, second = answers.probabilities[:, 1].astype(np.float64), answers.labels == 1
    groups = answers.group_numbers
    shown = []
    for ranking in (roc_auc, recall_at_95_specificity):
        low, high = ranking_interval(ranking, scores, second, groups)
        shown.append(f"{ranking(scores, second):.3f} ({low:.3f} to {high:.3f})")
    return str(len(scores)), *shown
