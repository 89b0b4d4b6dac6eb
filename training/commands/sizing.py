"""``sizes``: which input size, and how many turns, a run's weights are to be exported with."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from models.counted import counted
from training.commands.parameters import RunArgument
from training.networks.backend import import_keras
from training.reporting.terminal import one_sentence, say, show_table

if TYPE_CHECKING:
    from training.pipeline.sizes import AtSize


Split = Literal["train", "validation", "calibration", "test"]


def sizes(
    run: RunArgument,
    sides: Annotated[list[int], typer.Argument(min=8, metavar="PIXELS…", help="Sides of the input to try.")],
    split: Annotated[
        Split, typer.Option(help="Photos to measure on; choosing on `test` would flatter.")
    ] = "validation",
) -> None:
    """Measures a run's weights at other input sizes and, for orientation, averaged over two and four turns."""
    with one_sentence():
        from training.pipeline.beginning import open_run

        opened = open_run(run)
        import_keras()
        from training.pipeline.sizes import at_sizes

        photos = opened.manifest.split(split)
        tried = list(at_sizes(opened, sides, photos))
        say(f"fp32, on {counted(len(photos.photos), 'photo')}; times are multiples of the talk's orientation network's")
        _show(tried)


def _show(tried: "list[AtSize]") -> None:
    from training.measuring.speed import seconds_per_image, talk_network

    taken = seconds_per_image({"talk": talk_network()} | {str(at.side): at.data for at in tried})
    turns = list(tried[0].accuracy)
    rows = [
        (
            f"{at.side} px",
            *(f"{at.accuracy[count]:.1%}" for count in turns),
            f"{taken[str(at.side)] / taken['talk']:.2f}",
        )
        for at in tried
    ]
    names = {1: "one turn", 2: "two turns", 4: "four turns"}
    show_table(("input", *(names[count] for count in turns), "time of one turn"), rows)
