"""``reference``: a model that is published already learns what photos look like to it."""

from pathlib import Path
from typing import Annotated

import typer

from models.errors import TrainingError
from training.commands.given import model_file, refuse_other_suffix, repository_of, test_photos_of
from training.commands.parameters import ModelArgument
from training.reporting.terminal import one_sentence, say


def reference(
    model: ModelArgument,
    photos: Annotated[
        list[Path] | None,
        typer.Argument(help="Folders of photos, or a manifest.csv (its test split); else those of the run folder."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write the file, which is then not published.")
    ] = None,
    models: Annotated[
        Path | None, typer.Option(help="The repository to publish to; else the one that the model lies in.")
    ] = None,
) -> None:
    """Writes what photos look like to a model into its file, and publishes that as the next version.

    Nothing is trained, and it answers as before. A service that has it tells when what people send looks different:
    GET /v1/models/{model}/drift. `publish` and all that publishes do this by themselves.
    """
    from models.repository import ModelRepository
    from training.shipping import promotion
    from training.shipping.reference import ENOUGH, with_reference

    with one_sentence():
        refuse_other_suffix(output, ".onnx")
        data, test = model_file(model).read_bytes(), test_photos_of(model, photos)
        count = 0 if test is None else len(test.photos)
        if test is None or count < ENOUGH:
            raise TrainingError(f"it takes {ENOUGH} photos to tell others by, and {count} were given")
        if output is None:
            repository = ModelRepository(models or repository_of(model))
            say(f"published {promotion.publish(data, repository, test=test, require_metrics=False)}")
        else:
            output.write_bytes(with_reference(data, test))
            say(f"wrote {output}")
