"""``refit``: a published model's last layer, learned anew on more photos."""

from pathlib import Path
from typing import Annotated

import typer

from models.errors import TrainingError
from training.commands.given import model_file, refuse_other_suffix
from training.commands.parameters import SHIPPED, ModelArgument, ModelsOption
from training.commands.publishing import publish_file
from training.reporting.terminal import one_sentence, say, show_metrics, show_table


def refit(
    model: ModelArgument,
    photos: Annotated[Path, typer.Argument(help="The manifest.csv of the photos that it learned from.")],
    fresh: Annotated[
        list[Path],
        typer.Option("--with", help="A folder of more photos, whose sources are dealt to folds; repeatable."),
    ],
    folds: Annotated[int, typer.Option(min=2, help="How many models say what strangers may expect.")] = 5,
    limits: Annotated[str | None, typer.Option(help="What users must know, in place of the model's own words.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write it.")] = Path("refitted.onnx"),
    publish: Annotated[
        bool, typer.Option("--publish", help="Publish it, if it is no worse on the old photos.")
    ] = False,
    models: ModelsOption = SHIPPED,
) -> None:
    """Learns a two-label model's last layer anew, on its photos and on more: a minute instead of hours."""
    from models.repository import read_metadata
    from training.photos.folds import joined
    from training.photos.manifest import Manifest
    from training.photos.tasks import task_of
    from training.shipping.refitting import refitted

    with one_sentence():
        refuse_other_suffix(output, ".onnx")
        listed = output.with_suffix(".csv")
        if listed.resolve() == photos.resolve():
            raise TrainingError(f"{photos} would be replaced by all photos; name another --output")
        data = model_file(model).read_bytes()
        known = Manifest.read(photos)
        task = task_of(read_metadata(data, model).labels)
        both = joined(known, fresh, task)
        new = frozenset(photo.source for photo in both.photos) - {photo.source for photo in known.photos}
        found = refitted(data, both, new, folds, limits)
        both.write(listed)
        output.write_bytes(found.data)
        if found.metadata.metrics:
            show_metrics(found.metadata.metrics)
        show_table(("", ""), list(found.metadata.training.items())[-3:])
        say(f"wrote {output} and {listed}")
        if publish:
            publish_file(output, models, photos=[listed])
