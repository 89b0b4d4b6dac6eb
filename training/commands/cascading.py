"""``cascade``: one file of a small and a large orientation model."""

from pathlib import Path
from typing import Annotated

import typer

from training.commands.given import model_file, refuse_other_suffix
from training.commands.parameters import SHIPPED, ModelsOption
from training.commands.publishing import publish_file
from training.reporting.terminal import one_sentence, say, show_metrics, show_table

_FACTS = ("made of", "asked again under", "taken together", "answered by", "time", "mean time by source")


def cascade(
    small: Annotated[Path, typer.Argument(help="The model that is asked first: a run folder or a model.onnx.")],
    large: Annotated[Path, typer.Argument(help="The one that is asked where the first is not sure.")],
    photos: Annotated[Path, typer.Argument(help="A manifest.csv: its calibration and test photos are used.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write it.")] = Path("cascade.onnx"),
    publish: Annotated[bool, typer.Option("--publish", help="Publish it, if it is no worse.")] = False,
    models: ModelsOption = SHIPPED,
) -> None:
    """Makes one orientation model of two: the large one, and all four turns, are asked only where that is needed."""
    from models.repository import read_metadata
    from training.photos.manifest import Manifest
    from training.shipping.cascading import cascaded

    with one_sentence():
        refuse_other_suffix(output, ".onnx")
        first, second = model_file(small).read_bytes(), model_file(large).read_bytes()
        output.write_bytes(cascaded(first, second, Manifest.read(photos)))
        metadata = read_metadata(output.read_bytes())
        if metadata.metrics:
            show_metrics(metadata.metrics)
        show_table(("stages", ""), [(fact, metadata.training[fact]) for fact in _FACTS])
        say(f"wrote {output}")
        if publish:
            publish_file(output, models, photos=[photos])
