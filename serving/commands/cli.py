"""The command ``loupe``: serve, predict, score, upright, models."""

from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand
from typer.main import get_command

COMMANDS = {
    "serve": ("serving.commands.serve", "Serves models until SIGTERM or Ctrl-C."),
    "predict": ("serving.commands.predict", "Asks models about photos."),
    "score": (
        "serving.commands.score",
        "Asks models about millions of pictures, and keeps a row for each picture and model as Parquet.",
    ),
    "upright": ("serving.commands.upright", "Turns photos upright where that is certain."),
    "models": ("serving.commands.models", "Lists the models of the repository."),
}
"""The module of each, whose function has the command's name, and what ``loupe --help`` says of it."""

# Rich's boxes around a page of help took a quarter of a second.
_PLAIN: dict[str, Any] = {"add_completion": False, "pretty_exceptions_enable": False, "rich_markup_mode": None}

app = typer.Typer(
    name="loupe",
    help="Serves small image classifiers over HTTP, and asks them on the command line.",
    no_args_is_help=True,
    **_PLAIN,
)


class _Late(TyperCommand):
    """A command whose module is imported once it is called: those of all took a second, for a line of help too."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:  # noqa: ANN401 - Typer's own click has no public name
        alone = typer.Typer(**_PLAIN)
        name = str(self.name)
        alone.command(name)(getattr(import_module(COMMANDS[name][0]), name))
        return get_command(alone).make_context(info_name, args, parent, **extra)


def _say_version(wanted: bool) -> None:
    if wanted:
        from serving.settings.version import git_revision, service_version

        typer.echo(f"loupe {service_version()} ({git_revision()[:12]})")
        raise typer.Exit


@app.callback()
def _loupe(
    _: Annotated[bool, typer.Option("--version", is_eager=True, callback=_say_version, help="Say which one.")] = False,
) -> None: ...


for _name, (_, _told) in COMMANDS.items():
    app.command(_name, cls=_Late, help=_told)(lambda: None)

if __name__ == "__main__":
    app()
