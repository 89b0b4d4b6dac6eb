"""What the commands share: options, exit statuses, and errors as one sentence."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from models.errors import ImageTooLargeError, LoupeError
from serving.settings import DeviceName

FAILED = 1
"""Exit status: a file failed, or nothing could begin."""

_AS_WIDE_AS_NEEDED = 10_000  # characters
_INTERRUPTED = 130  # as shells have it for SIGINT

ModelsOption = Annotated[Path | None, typer.Option("--models", help="Folder of the models (LOUPE_MODELS).")]
DeviceOption = Annotated[DeviceName | None, typer.Option("--device", help="Where the models run (LOUPE_DEVICE).")]


@contextmanager
def one_sentence() -> Iterator[None]:
    """An expected error is one sentence on stderr, not a traceback; so is Ctrl-C."""
    try:
        yield
    except LoupeError as error:
        typer.echo(f"loupe: {error}", err=True)
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        typer.echo("loupe: stopped", err=True)
        raise typer.Exit(_INTERRUPTED) from None


def console(*, stderr: bool = False) -> Console:
    """Where tables go; nobody looks at a file or a pipe, so there they are as wide as they need to be."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else _AS_WIDE_AS_NEEDED)


def reason(error: LoupeError | OSError) -> str:
    """Why a file failed, without repeating its name, and which setting would change that."""
    if isinstance(error, ImageTooLargeError) and error.limit is not None:
        return f"{error}; LOUPE_MAX_IMAGE_{error.limit.upper()} allows more"
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def shown(name: str | Path) -> str:
    """A file's name as it can be printed: bytes that are no text become question marks."""
    return str(name).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
