"""``crossval``: what a recipe's models are worth on sources that they never saw."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.commands.parameters import BesideOption
from training.networks.backend import import_keras
from training.reporting.terminal import one_sentence, say, show_counts, show_table

if TYPE_CHECKING:
    from training.photos.manifest import Manifest

_RUNS = Path("runs")


def crossval(
    recipe: Annotated[Path, typer.Argument(help="A recipe of two labels that folders make.")],
    photos: Annotated[
        list[Path], typer.Argument(help="Folders of photos, or one manifest.csv: they keep their splits.")
    ],
    over: Annotated[
        list[Path],
        typer.Option("--over", help="A folder whose sources (people's albums, say) are dealt to folds; repeatable."),
    ],
    beside: BesideOption = None,
    folds: Annotated[int, typer.Option(min=2, help="How many models are trained.")] = 5,
    learn_from: Annotated[
        float, typer.Option(min=0, max=1, help="Learn from this share of those sources: for a learning curve.")
    ] = 1.0,
    run: Annotated[Path | None, typer.Option(help="The run's folder; by default runs/RECIPE.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where an interrupted one of the same recipe and photos stopped.")
    ] = False,
) -> None:
    """Trains a recipe once for each fold of sources; `train` on the same run folder heeds what that showed."""
    from training.fitting.recipe import Recipe
    from training.photos.scan import listed
    from training.photos.tasks import task_named
    from training.pipeline.beginning import lay_out

    with one_sentence():
        folder = run or _RUNS / recipe.stem
        asked = Recipe.read(recipe)
        known = listed(photos, task_named(asked.task))
        whole, fresh = _joined(known, beside or [], over, recipe)
        resumed_but = frozenset[str]() if resume else None
        current = lay_out(asked, recipe.read_bytes(), whole, folder, resumed_but=resumed_but, heeds_strangers=False)
        show_counts(current.manifest)
        import_keras()
        from training.pipeline.crossval import cross_validated, figures

        strangers = cross_validated(current, fresh, folds, resume=resume, learn_from=learn_from)
        show_table(("fold", "photos", "AUC", "recall at 95 % specificity"), figures(strangers))
        following = f"; next: loupe-train train {recipe} {folder}/manifest.csv --run {folder}"
        say(f"wrote {current.folder.strangers}{following if learn_from == 1 else ''}")


def _joined(known: "Manifest", beside: list[Path], over: list[Path], recipe: Path) -> "tuple[Manifest, frozenset[str]]":
    """All photos, and the names of the sources that are dealt."""
    from training.fitting.recipe import Recipe
    from training.photos.folds import joined
    from training.photos.tasks import task_named

    task = task_named(Recipe.read(recipe).task)
    before = joined(known, beside, task) if beside else known
    whole = joined(before, over, task)
    return whole, frozenset(photo.source for photo in whole.photos[len(before.photos) :])
