"""``search``: a better recipe, found by trying."""

from pathlib import Path
from typing import Annotated

import typer

from training.commands.parameters import PhotosArgument
from training.networks.backend import import_keras
from training.reporting.terminal import one_sentence, say, show_counts


def search(
    recipe: Annotated[Path, typer.Argument(help="A recipe with a [search] table.")],
    photos: PhotosArgument,
    trials: Annotated[int, typer.Option(min=1, help="How many in all; called again, it goes on up to there.")] = 20,
    storage: Annotated[
        str | None, typer.Option(metavar="URL", help="Optuna's storage; by default study.db in the run's folder.")
    ] = None,
    run: Annotated[Path | None, typer.Option(help="The search's folder; by default runs/RECIPE-search.")] = None,
    allow_leaks: Annotated[
        bool, typer.Option(help="Accept near-duplicates across splits (a foreign test split).")
    ] = False,
) -> None:
    """Tries values from a recipe's [search] table, and writes the best recipe."""
    from training.pipeline.beginning import begin

    with one_sentence():
        folder = run or Path("runs") / f"{recipe.stem}-search"
        current = begin(recipe, photos, folder, allow_leaks=allow_leaks)
        show_counts(current.manifest)
        import_keras(exports=False)
        from training.pipeline.search import search

        search(current, trials, storage)
        say(f"wrote {folder}/best.toml")
