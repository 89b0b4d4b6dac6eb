"""Choosing which models are asked: a wrong name, or an output of other models, is a wrong command."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import typer

from models.errors import ModelNotFoundError, OtherModelsError
from serving.scoring.scorer import Scorer


def choose(scorer: Scorer, names: Sequence[str] | None) -> None:
    """Has these models asked, or without any those that are by default.

    Raises:
        typer.BadParameter: one of them is not there.
    """
    try:
        if names:
            scorer.choose(names)
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
