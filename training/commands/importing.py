"""``import``: a classifier trained elsewhere becomes a version of a repository."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from models.counted import counted
from models.errors import TrainingError
from training.commands.given import checked_name, refuse_options
from training.commands.parameters import SHIPPED, ModelsOption
from training.photos.written import read_text
from training.reporting.terminal import one_sentence, say

if TYPE_CHECKING:
    from models.preprocessing import Preprocessing
    from training.shipping.foreign_graph import ForeignGraph
    from training.shipping.origin import Origin


_UNTOLD: dict[str, Any] = {
    "size": None,
    "mean": "0.485,0.456,0.406",  # ImageNet's
    "std": "0.229,0.224,0.225",
    "fit": "center_crop",
    "crop": 1.0,
    "resample": "bilinear",
}


class Layout(StrEnum):
    """Order of a float input's axes."""

    AUTO = "auto"
    NCHW = "nchw"
    NHWC = "nhwc"


class Channels(StrEnum):
    """Order of an input's colours."""

    RGB = "rgb"
    BGR = "bgr"


class Output(StrEnum):
    """What a graph gives."""

    AUTO = "auto"
    LOGITS = "logits"
    PROBABILITIES = "probabilities"


def import_command(
    context: typer.Context,
    model: Annotated[
        str,
        typer.Argument(
            help="The ONNX file of a classifier with one float32 input; a folder in Hugging Face's layout, or "
            "hf://owner/name in their cache; models:/name/alias in MLflow's registry."
        ),
    ],
    name: Annotated[str | None, typer.Option(help="Its name in the repository; one of Loupe's own has one.")] = None,
    labels: Annotated[
        str | None,
        typer.Option(help="In the output's order, with commas, or a file with one a line; else those in the file."),
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="Height and width of the input in pixels, 224 or 224x224; else the file's.")
    ] = None,
    mean: Annotated[
        str | None, typer.Option(help="By channel, for pixels in [0, 1]; else as told beside it, or ImageNet's.")
    ] = None,
    std: Annotated[
        str | None, typer.Option(help="By channel, for pixels in [0, 1]; else as told beside it, or ImageNet's.")
    ] = None,
    layout: Annotated[Layout, typer.Option(help="Order of the input's axes; `auto` asks the file.")] = Layout.AUTO,
    channels: Annotated[
        Channels, typer.Option(help="Order of the colours: `bgr` for models trained with OpenCV.")
    ] = Channels.RGB,
    output: Annotated[Output, typer.Option(help="What the graph gives; `auto` asks it.")] = Output.AUTO,
    fit: Annotated[
        str | None, typer.Option(help="How a picture meets the input: `center_crop`, by default, or `squeeze`.")
    ] = None,
    crop: Annotated[
        float | None, typer.Option(help="Share of the picture that is kept, about its centre; timm's crop_pct.")
    ] = None,
    resample: Annotated[
        str | None, typer.Option(help="Filter: `bilinear`, by default, `bicubic` or `box`; timm's interpolation.")
    ] = None,
    description: Annotated[str, typer.Option(help="One sentence for people.")] = "Imported classifier.",
    models: ModelsOption = SHIPPED,
) -> None:
    """Publishes a classifier trained elsewhere (PyTorch, timm, Paddle): normalisation and softmax go inside.

    It is certain of nothing until `loupe-train calibrate` has seen photos whose labels are known.
    """
    from models.repository import ModelRepository
    from training.shipping import foreign_graph, importing, promotion
    from training.shipping.origin import origin_of
    from training.shipping.wrapping import Normalisation

    given = {"size": size, "mean": mean, "std": std, "fit": fit, "crop": crop, "resample": resample}
    with one_sentence(), origin_of(model) as origin:
        if origin.is_loupe_s:
            refuse_options(context, ("model", "models"), "the file is one of Loupe's own, which says all of itself")
            path = promotion.publish(origin.file.read_bytes(), ModelRepository(models), require_metrics=False)
            say(f"published {path}")
            return
        if name is None:
            raise typer.BadParameter("name it with --name", param_hint="--name")
        name = checked_name(name)
        told = _UNTOLD | origin.facts | {key: value for key, value in given.items() if value is not None}
        graph = foreign_graph.read_graph(origin.file)
        order = _order(layout, graph)
        normalisation = Normalisation(_numbers(told["mean"]), _numbers(told["std"]), order, channels.value)
        facts = {"channels": len(normalisation.mean)} | {key: told[key] for key in ("fit", "crop", "resample")}
        preprocessing = _preprocessing(_size(told["size"], graph, order) | facts)
        named = _labels(labels) if labels is not None else _carried(graph, origin)
        foreign = importing.ForeignModel(name, description, named, normalisation, output.value, origin.told)
        data = importing.import_onnx(graph, preprocessing, foreign)
        path = promotion.publish(data, ModelRepository(models), require_metrics=False)
        say(f"published {path}; it is certain of nothing until `loupe-train calibrate {path} PHOTOS`")


def _order(layout: Layout, graph: "ForeignGraph") -> Literal["nchw", "nhwc"]:
    told = graph.layout if layout == Layout.AUTO else layout
    return "nhwc" if told == Layout.NHWC else "nchw"


def _labels(text: str) -> tuple[str, ...]:
    path = Path(text)
    is_file = "," not in text and path.is_file()  # a list of labels may be longer than a path can be
    lines = read_text(path).splitlines() if is_file else text.split(",")
    return tuple(line.strip() for line in lines if line.strip())


def _carried(graph: "ForeignGraph", origin: "Origin") -> tuple[str, ...]:
    """The labels that the file has, which are told: not every property that looks like labels need be them."""
    from training.shipping.carried_labels import carried_labels

    found = carried_labels({entry.key: entry.value for entry in graph.proto.metadata_props}) or origin.labels
    if found is None:
        raise TrainingError(f"{origin.told} carries no labels; name them with --labels, in the order of its output")
    key, labels = found
    few = ", ".join(labels[:10]) + ", …" * (len(labels) > 10)
    say(f"{counted(len(labels), 'label')} from the file's `{key}`: {few}")
    return labels


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(number) for number in text.split(","))
    except ValueError:
        raise TrainingError(f"{text!r} is not a list of numbers separated by commas") from None


def _size(size: str | None, graph: "ForeignGraph", layout: str) -> dict[str, Any]:
    """Height and width, as they were said or as the graph has them."""
    if size is None:
        height, width = (None, None) if graph.is_flat else graph.shape[2:] if layout == "nchw" else graph.shape[1:3]
        if height is None or width is None:
            raise TrainingError(
                "the graph does not tell the size of its pictures; say what it was trained at with --size"
            )
        return {"height": height, "width": width}
    first, _, second = size.partition("x")
    return {"height": first, "width": second or first}


def _preprocessing(facts: dict[str, Any]) -> "Preprocessing":
    from pydantic import ValidationError

    from models.preprocessing import Preprocessing
    from models.wrong_value import wrong_value

    try:
        return Preprocessing.model_validate(facts)
    except ValidationError as error:
        raise TrainingError(f"the input is wrong {wrong_value(error)}") from None
