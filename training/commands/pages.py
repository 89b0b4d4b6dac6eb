"""``pages``: photos of text whose top is known."""

from pathlib import Path
from typing import Annotated

import typer

from models.counted import counted
from training.reporting.terminal import one_sentence, say


def pages(
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="Where the photos and their manifest.csv go.")],
    count: Annotated[int, typer.Option(min=1, help="How many.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="The same gives the same pages, where the fonts are the same.")] = 1,
    held_back: Annotated[
        bool, typer.Option("--held-back", help="Pages to test on: fonts, and layouts or scripts, that no other has.")
    ] = False,
) -> None:
    """Renders pages of text in this machine's fonts, and photographs them: upright photos for the orientation task."""
    from training.pages.rendering import write_pages

    with one_sentence():
        write_pages(folder, count, seed, held_back=held_back)
        say(f"wrote {counted(count, 'page')} and {folder}/manifest.csv")
