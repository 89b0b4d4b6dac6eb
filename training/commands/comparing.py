"""``compare`` and ``speed``: one model beside another, in what it answers and how long that takes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.errors import InvalidModelError, PromotionError, TrainingError
from training.commands.given import model_file, test_photos_of
from training.commands.parameters import ModelArgument
from training.reporting.terminal import one_sentence, say, show_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from training.measuring.comparison import Comparison


def compare(
    first: ModelArgument,
    second: ModelArgument,
    photos: Annotated[
        list[Path] | None,
        typer.Argument(help="Folders of photos, or a manifest.csv (its test split); else those beside the second."),
    ] = None,
) -> None:
    """Asks two models about the same photos: who is right more often, and could that be chance?"""
    from training.measuring import comparison

    with one_sentence():
        test = test_photos_of(second, photos)
        if test is None:
            raise typer.BadParameter("name the photos to compare on", param_hint="PHOTOS")
        _show(comparison.compare(model_file(first).read_bytes(), model_file(second).read_bytes(), test))


def _show(result: "Comparison") -> None:
    rows = [
        ("first", f"{result.first:.2%}", str(result.only_first_right)),
        ("second", f"{result.second:.2%}", str(result.only_second_right)),
    ]
    show_table(("model", "right", "right alone"), rows)
    low, high = result.interval
    say(
        f"second - first on {result.samples} images: {result.second - result.first:+.2%}, "
        f"95 % {low:+.2%} to {high:+.2%}"
    )
    say(f"McNemar's exact test: p = {result.p_value:.3g}; the same label for {result.agreement:.2%}")


def speed(
    models: Annotated[list[Path], typer.Argument(help="Run folders or model.onnx files.")],
    reference: Annotated[
        Path | None, typer.Option(help="What times are multiples of; else the talk's orientation network.")
    ] = None,
    budget: Annotated[
        float | None, typer.Option(min=0, help="Fail where a model takes more than so many times as long.")
    ] = None,
) -> None:
    """Times models in turn, on one thread and one picture a call; fails where one breaks the budget.

    What a cascade takes depends on the picture: it is told by stage, and in the mean of its test images.
    """
    from training.measuring.speed import seconds_per_image, talk_network
    from training.shipping.promotion import MAX_BYTES

    with one_sentence():
        base = _read(reference) if reference else talk_network()
        given = {str(model): _read(model) for model in models}
        stages = {(name, stage): data for name in given for stage, data in _stages(given[name])}
        alone = {name: data for name, data in given.items() if not _stages(data)}
        timed = seconds_per_image({"": base} | alone | {", ".join(key): data for key, data in stages.items()})
        taken = timed | _means(given, timed)
        ratios = {name: taken[name] / taken[""] for name in taken if name}
        sizes = given | {", ".join(key): data for key, data in stages.items()}
        rows = [(n, f"{ratios[n]:.2f}", f"{1000 * taken[n]:.2f}", f"{len(sizes[n]) / 1e6:.1f}") for n in sorted(ratios)]
        show_table(("model", f"x {reference or 'talk'}", "ms an image", "MB"), rows)
        for name in given:
            if budget is not None and ratios[name] > budget:
                raise PromotionError(f"{name} takes {ratios[name]:.2f} times as long; at most {budget:g} is allowed")
            if budget is not None and len(given[name]) > MAX_BYTES:
                raise PromotionError(f"{name} is larger than {MAX_BYTES / 1e6:g} MB")


def _read(model: Path) -> bytes:
    """An ONNX file, whoever made it."""
    from models.onnx_file import read_properties

    data = model_file(model).read_bytes()
    try:
        read_properties(data)
    except InvalidModelError as error:
        raise TrainingError(f"{model}: {error}") from None
    return data


def _stages(data: bytes) -> list[tuple[str, bytes]]:
    """Of a cascade: the same file, going on to each of its stages and no further."""
    from training.graph.stages import STAGES, answering_by, is_cascade

    return [(stage, answering_by(data, number)) for number, stage in enumerate(STAGES)] if is_cascade(data) else []


def _means(given: "Mapping[str, bytes]", timed: "Mapping[str, float]") -> dict[str, float]:
    """Seconds an image of each cascade, as often as each stage answered its test images."""
    from models.repository import read_metadata
    from training.shipping.cascading import shares_told

    return {
        name: sum(
            share * timed[f"{name}, {stage}"]
            for share, (stage, _) in zip(shares_told(read_metadata(data)), stages, strict=True)
        )
        for name, data in given.items()
        if (stages := _stages(data))
    }
