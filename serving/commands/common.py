"""What the commands share: options, exit statuses, and errors as one sentence."""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from unicodedata import category

import typer

from models.errors import LoupeError
from serving.settings import DeviceName

if TYPE_CHECKING:  # it takes 0.1 s, and the server prints neither
    from rich.console import Console
    from rich.progress import Progress

FAILED = 1
"""Exit status: a file failed, or nothing could begin."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_AS_WIDE_AS_NEEDED = 10_000  # characters
_INTERRUPTED = 130  # as shells have it for SIGINT

ModelsOption = Annotated[str | None, typer.Option("--models", help="Folder or address of the models (LOUPE_MODELS).")]
DeviceOption = Annotated[DeviceName | None, typer.Option("--device", help="Where the models run (LOUPE_DEVICE).")]


@contextmanager
def one_sentence() -> Iterator[None]:
    """An expected error is one sentence on stderr, not a traceback; so are Ctrl-C, and a full disk."""
    try:
        yield
    except LoupeError as error:
        typer.echo(f"loupe: {error}", err=True)
        raise typer.Exit(FAILED) from None
    except OSError as error:
        if error.errno not in _FULL:
            raise
        typer.echo(f"loupe: {error.filename or 'what is told'} cannot be written: {error.strerror}", err=True)
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        typer.echo("loupe: stopped", err=True)
        raise typer.Exit(_INTERRUPTED) from None


def options_given(context: typer.Context) -> dict[str | None, str]:
    """The options that stand on the command line: the parameters' names → how they are written."""
    by = {name: context.get_parameter_source(name) for name in context.params}
    given = {name for name, source in by.items() if source is not None and source.name == "COMMANDLINE"}
    return {one.name: one.opts[0] for one in context.command.params if one.name in given}


def console(*, stderr: bool = False) -> "Console":
    """Where tables go; nobody looks at a file or a pipe, so there they are as wide as they need to be."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else _AS_WIDE_AS_NEEDED)


def progress_bar(*, beside_lines: bool = False) -> "Progress":
    """On stderr, and only where a person looks at it.

    Args:
        beside_lines: whether stdout gets a line for each file meanwhile; on one terminal with it they would mix.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty() or (beside_lines and sys.stdout.isatty()),
        transient=True,
        redirect_stdout=False,  # else what is printed goes to stderr, wrapped, and never into the file it is for
    )


def shown(name: str | Path) -> str:
    """A file's name as it can be printed: what is no text, and what a terminal would obey, become question marks."""
    text = str(name).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join("\N{REPLACEMENT CHARACTER}" if category(one) == "Cc" else one for one in text)
