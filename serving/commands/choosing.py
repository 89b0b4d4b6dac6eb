"""Choosing which models are asked: a wrong name, or an output of other models, is a wrong command."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import typer

from models.errors import ModelNotFoundError, OtherModelsError
from models.metadata import ModelMetadata
from serving.scoring.scorer import Scorer
from serving.service import PredictionService
from serving.upright.straightening import ROTATE


def choose(scorer: Scorer, names: Sequence[str] | None) -> None:
    """Has these models asked, or without any those that are by default.

    Raises:
        typer.BadParameter: one of them is not there.
    """
    with _refusing_names():
        if names:
            scorer.choose(names)


def choose_turning(service: PredictionService, name: str) -> ModelMetadata:
    """What the model says of itself that is to say which photos are turned.

    Raises:
        typer.BadParameter: it is not there, or does not say how to turn what it tells.
    """
    with _refusing_names():
        metadata = service.classifier(name).metadata
    if any(ROTATE not in label.attributes for label in metadata.labels):
        raise typer.BadParameter(
            f"the model {name!r} does not say how to turn a photo: its labels have no {ROTATE!r}", param_hint="--model"
        )
    return metadata


@contextmanager
def _refusing_names() -> Iterator[None]:
    try:
        yield
    except ModelNotFoundError as error:
        raise typer.BadParameter(str(error), param_hint="--model") from None


@contextmanager
def refusing_others(option: str) -> Iterator[None]:
    """An output of other models is told as a wrong value of the option that names it.

    Raises:
        typer.BadParameter: it is.
    """
    try:
        yield
    except OtherModelsError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None
