"""Arguments and options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

PhotosArgument = Annotated[list[Path], typer.Argument(help="Folders of photos, or one manifest.csv.")]
RunArgument = Annotated[Path, typer.Argument(help="A run folder, as `train` makes it.")]
ModelArgument = Annotated[Path, typer.Argument(help="A run folder or a model.onnx.")]
ModelsOption = Annotated[Path, typer.Option("--models", help="The repository to publish to.", envvar="LOUPE_MODELS")]
BesideOption = Annotated[
    list[Path] | None, typer.Option("--with", help="A folder to learn from and never to test on; repeatable.")
]
RobustnessOption = Annotated[
    bool, typer.Option("--robustness", help="On damaged copies too: JPEG, crop, resolution, grey, fading, noise.")
]
SHIPPED = Path("models")
