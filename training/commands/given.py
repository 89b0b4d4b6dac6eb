"""What a command's arguments mean: a model's file, and the photos that go with it."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from models.errors import TrainingError

if TYPE_CHECKING:
    from training.photos.manifest import Manifest


def model_file(model: Path) -> Path:
    """The file of a model, or of a run folder.

    Raises:
        TrainingError: there is none.
    """
    file = model / "model.onnx" if model.is_dir() else model
    if not file.is_file():
        raise TrainingError(f"there is no model {file}")
    return file


def checked_name(name: str) -> str:
    """A model's name, which is also that of its folder and a part of URLs.

    Raises:
        TrainingError: it cannot be.
    """
    from pydantic import TypeAdapter, ValidationError

    from models.metadata import Name
    from models.wrong_value import explain

    try:
        return TypeAdapter(Name).validate_python(name)
    except ValidationError as error:
        raise TrainingError(f"a model's name {explain(error.errors()[0])}; give one with --name") from None


def refuse_options(context: typer.Context, but: Collection[str], why: str) -> None:
    """Options that would be overlooked are refused, as whoever gave them believes that they were heeded.

    Args:
        context: of the command.
        but: the parameters that may be given.
        why: the sentence's begin; its end names the options.

    Raises:
        typer.BadParameter: others stand on the command line.
    """
    given = {name for name in context.params if (by := context.get_parameter_source(name)) and by.name == "COMMANDLINE"}
    if options := [one.opts[0] for one in context.command.params if one.name in given.difference(but)]:
        raise typer.BadParameter(f"{why}; leave out {', '.join(options)}")


def refuse_other_suffix(output: Path | None, suffix: str) -> None:
    """A photo or a table must not be gone because its name stood where that of an output is asked for.

    Raises:
        TrainingError: the file's name ends in something else.
    """
    if output is not None and output.suffix.lower() != suffix:
        raise TrainingError(f"what is written there is a {suffix} file; {output} does not end so")


def repository_of(model: Path) -> Path:
    """The one of ``<repository>/<name>/<version>/model.onnx``.

    Raises:
        TrainingError: it lies in none.
    """
    version = model_file(model).parent
    if len(version.parts) < 3:  # it was named from within
        version = version.resolve()
    if not version.name.isdecimal():
        raise TrainingError(f"{model} lies in no repository; name the one to publish to with --models")
    return version.parent.parent


def photos_of(model: Path, photos: list[Path] | None) -> "Manifest | None":
    """The photos that are named or, for a file in a run folder, those of the run; None: there are neither."""
    from models.repository import read_metadata
    from training.photos.scan import listed
    from training.photos.tasks import task_of

    beside = model_file(model).with_name("manifest.csv")
    if not photos and not beside.is_file():
        return None
    return listed(photos or [beside], task_of(read_metadata(model_file(model).read_bytes(), model).labels))


def test_photos_of(model: Path, photos: list[Path] | None) -> "Manifest | None":
    """As ``photos_of``: the test split of a manifest, and all photos of folders."""
    found = photos_of(model, photos)
    folders = photos and photos[0].suffix != ".csv"
    return found if found is None or folders else found.split("test")
