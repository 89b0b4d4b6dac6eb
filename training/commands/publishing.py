"""``publish``: a measured model becomes a version of a repository."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from training.commands.given import model_file, test_photos_of
from training.commands.parameters import SHIPPED, ModelArgument, ModelsOption
from training.reporting.terminal import one_sentence, say


def publish(
    model: ModelArgument,
    photos: Annotated[
        list[Path] | None, typer.Argument(help="What it was measured on, if it lies in no run folder.")
    ] = None,
    version: Annotated[int | None, typer.Option(min=1, help="By default the next one.")] = None,
    force: Annotated[
        str | None, typer.Option(metavar="REASON", help="Whatever speaks against it; written into the model.")
    ] = None,
    to: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="There too: models:/name@alias (MLflow), hf://owner/name (their cache)."),
    ] = None,
    models: ModelsOption = SHIPPED,
) -> None:
    """Adds a measured model to a repository, unless it is worse than the version that stands there."""
    with one_sentence():
        publish_file(model, models, version, photos=photos, force=force, to=to or ())


def publish_file(
    model: Path,
    models: Path,
    version: int | None = None,
    *,
    photos: list[Path] | None = None,
    force: str | None = None,
    to: Sequence[str] = (),
) -> None:
    """Publishes a model and says where it lies now.

    Raises:
        TrainingError: there is no such file, it must not be published, or a place in ``to`` does not take it.
    """
    from models.repository import ModelRepository
    from training.shipping import promotion
    from training.shipping.destination import check, send

    for address in to:
        check(address)  # before anything is published
    data = model_file(model).read_bytes()
    test = test_photos_of(model, photos)
    path = promotion.publish(data, ModelRepository(models), version, test=test, force=force)
    say(f"published {path}")
    for address in to:
        say(f"published {send(path, address)}")
