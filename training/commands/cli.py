"""``loupe-train``: from a folder of photos to a published model, in one command or step by step."""

from typing import Annotated

import typer

from models.extras import DISTRIBUTION
from training.commands.calibrating import calibrate
from training.commands.cascading import cascade
from training.commands.comparing import compare, speed
from training.commands.crossvalidating import crossval
from training.commands.evaluation import evaluate
from training.commands.importing import import_command
from training.commands.pages import pages
from training.commands.publishing import publish
from training.commands.quantizing import quantize
from training.commands.referring import reference
from training.commands.refitting import refit
from training.commands.searching import search
from training.commands.sizing import sizes
from training.commands.training import export, manifest, train

app = typer.Typer(
    name="loupe-train",
    help="Trains image classifiers and turns them into files that `loupe serve` serves.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)


def _say_version(wanted: bool) -> None:
    if wanted:
        from training.shipping.versions import git_revision, installed_version

        typer.echo(f"loupe-train {installed_version(DISTRIBUTION)} ({git_revision()})")
        raise typer.Exit


@app.callback()
def _loupe_train(
    _: Annotated[bool, typer.Option("--version", is_eager=True, callback=_say_version, help="Say which one.")] = False,
) -> None: ...


for command in (
    manifest,
    pages,
    train,
    crossval,
    search,
    sizes,
    export,
    quantize,
    cascade,
    refit,
    evaluate,
    calibrate,
    compare,
    speed,
    publish,
    reference,
):
    app.command()(command)
app.command("import")(import_command)

if __name__ == "__main__":
    app()
