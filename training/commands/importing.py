"""``import``: a classifier trained elsewhere becomes a version of a repository."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.errors import TrainingError
from training.commands.parameters import SHIPPED, ModelsOption
from training.reporting.terminal import one_sentence, say

if TYPE_CHECKING:
    from models.preprocessing import Preprocessing


class Layout(StrEnum):
    """Order of a float input's axes."""

    NCHW = "nchw"
    NHWC = "nhwc"


class Output(StrEnum):
    """What a graph gives."""

    AUTO = "auto"
    LOGITS = "logits"
    PROBABILITIES = "probabilities"


def import_command(
    model: Annotated[Path, typer.Argument(help="The ONNX file of a classifier with one float32 input.")],
    name: Annotated[str, typer.Option(help="Its name in the repository.")],
    labels: Annotated[
        str, typer.Option(help="Comma-separated, in the order of the output, or a file with one a line.")
    ],
    size: Annotated[str, typer.Option(help="Height and width of the input in pixels: 224 or 224x224.")],
    mean: Annotated[str, typer.Option(help="By channel, for pixels in [0, 1].")] = "0.485,0.456,0.406",
    std: Annotated[str, typer.Option(help="By channel, for pixels in [0, 1].")] = "0.229,0.224,0.225",
    layout: Annotated[Layout, typer.Option(help="Order of the input's axes.")] = Layout.NCHW,
    output: Annotated[Output, typer.Option(help="What the graph gives; `auto` asks it.")] = Output.AUTO,
    fit: Annotated[
        str, typer.Option(help="How a picture meets the input: `center_crop` or `squeeze`.")
    ] = "center_crop",
    description: Annotated[str, typer.Option(help="One sentence for people.")] = "Imported classifier.",
    models: ModelsOption = SHIPPED,
) -> None:
    """Publishes a classifier trained elsewhere (PyTorch, timm): normalisation and softmax go inside the graph."""
    from models.repository import ModelRepository
    from training.shipping import importing, promotion

    with one_sentence():
        means, stds = _numbers(mean), _numbers(std)
        foreign = importing.ForeignModel(_labels(labels), means, stds, layout.value, output.value)
        data = importing.import_onnx(model, name, description, _preprocessing(size, fit, len(means)), foreign)
        say(f"published {promotion.publish(data, ModelRepository(models), require_metrics=False)}")


def _labels(text: str) -> tuple[str, ...]:
    path = Path(text)
    is_file = "," not in text and path.is_file()  # a list of labels may be longer than a path can be
    lines = path.read_text(encoding="utf-8").splitlines() if is_file else text.split(",")
    return tuple(line.strip() for line in lines if line.strip())


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(number) for number in text.split(","))
    except ValueError:
        raise TrainingError(f"{text!r} is not a list of numbers separated by commas") from None


def _preprocessing(size: str, fit: str, channels: int) -> "Preprocessing":
    from pydantic import ValidationError

    from models.preprocessing import Preprocessing

    height, _, width = size.partition("x")
    try:
        return Preprocessing.model_validate(
            {"height": height, "width": width or height, "channels": channels, "fit": fit}
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise TrainingError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
