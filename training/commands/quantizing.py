"""``quantize``: a smaller copy of a model, measured beside it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from models.errors import TrainingError
from training.commands.given import model_file, photos_of, refuse_options, refuse_other_suffix
from training.commands.parameters import SHIPPED, ModelArgument, ModelsOption, RobustnessOption
from training.commands.publishing import publish_file
from training.reporting.terminal import one_sentence, say, show_table

if TYPE_CHECKING:
    from training.shipping.strangers import Strangers


def quantize(
    context: typer.Context,
    model: ModelArgument,
    photos: Annotated[
        list[Path] | None, typer.Argument(help="Its photos or manifest.csv; a run folder has them.")
    ] = None,
    precision: Annotated[Literal["int8", "fp16"], typer.Option(help="int8 for processors, fp16 for GPUs.")] = "int8",
    ranges: Annotated[
        Literal["minmax", "percentile", "entropy"], typer.Option(help="How int8's activations get their ranges.")
    ] = "minmax",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write it; else beside the original.")
    ] = None,
    robustness: RobustnessOption = False,
    publish: Annotated[bool, typer.Option("--publish", help="Publish it, if it is faster and no worse.")] = False,
    models: ModelsOption = SHIPPED,
) -> None:
    """Makes a smaller copy of an fp32 model, calibrates it anew and measures it beside the original."""
    from training.shipping.precision import lower_precision

    with one_sentence():
        refuse_other_suffix(output, ".onnx")
        if precision != "int8":
            refuse_options(context, context.params.keys() - {"ranges"}, "ranges of activations are for int8")
        original = model_file(model)
        manifest = photos_of(model, photos)
        if manifest is None:
            raise TrainingError(f"name the photos of {model}: they calibrate and measure the copy")
        copy = output or original.with_name(f"{original.stem}.{precision}.onnx")
        if copy.resolve() == original.resolve():
            raise TrainingError(f"{original} would be replaced by its copy; name another --output")
        smaller = lower_precision(
            original.read_bytes(),
            manifest,
            precision,
            ranges,
            robustness=robustness,
            strangers=_strangers(original.parent),
        )
        copy.write_bytes(smaller)
        _show(original, copy)
        if publish:
            publish_file(copy, models, photos=photos or [original.with_name("manifest.csv")])


def _strangers(folder: Path) -> "Strangers | None":
    """What ``crossval`` left beside the original, of the same recipe and photos."""
    from training.fitting.learned_from import check_about
    from training.fitting.run_folder import STRANGERS_NAME
    from training.pipeline.beginning import open_run
    from training.shipping.strangers import Strangers

    found = Strangers.read(folder / STRANGERS_NAME)
    if found is not None:
        run = open_run(folder)
        check_about(run.folder.strangers, run.recipe, run.manifest)
    return found


def _show(original: Path, copy: Path) -> None:
    from models.repository import read_metadata

    data, metadata = copy.read_bytes(), read_metadata(copy.read_bytes())
    metrics, against = metadata.metrics, metadata.against_fp32
    if metrics is None or against is None:
        return
    size = original.stat().st_size
    rows = [
        ("fp32", f"{metrics.accuracy - against.accuracy_change:.2%}", "", "1.00", f"{size / 1e6:.1f}"),
        (
            metadata.precision,
            f"{metrics.accuracy:.2%}",
            f"{against.agreement:.2%}",
            f"{against.time_ratio:.2f}",
            f"{len(data) / 1e6:.1f}",
        ),
    ]
    show_table(("", "right", "same label", "time", "MB"), rows)
    say(f"wrote {copy}")
