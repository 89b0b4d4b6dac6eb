"""The command ``loupe``: serve, predict, models."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from models.errors import LoupeError, ModelNotFoundError
from models.repository import ModelRepository, read_metadata
from serving.classifier import Prediction
from serving.service import PredictionService
from serving.settings import Device, Settings

app = typer.Typer(
    name="loupe",
    help="Serves small image classifiers over HTTP, and asks them on the command line.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_FAILED, _USAGE = 1, 2
_FILES_AT_ONCE = 16  # a folder of photos need not fit into memory

FileAnswer = dict[str, Prediction] | LoupeError | OSError

ModelsOption = Annotated[Path | None, typer.Option("--models", help="Folder of the models (LOUPE_MODELS).")]
DeviceOption = Annotated[Device | None, typer.Option("--device", help="Where the models run (LOUPE_DEVICE).")]


@app.command()
def serve(
    models: ModelsOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on (LOUPE_HOST; 127.0.0.1).")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; 0 takes a free one (LOUPE_PORT; 8000).")
    ] = None,
    device: DeviceOption = None,
) -> None:
    """Serves models until SIGTERM or Ctrl-C."""
    # Imported here, as FastAPI costs half a second that no other command needs.
    from serving.app import create_app
    from serving.logging import configure_logging
    from serving.server import Server, listen, stoppable

    with _one_sentence():
        settings = Settings.load(models=models, host=host, port=port, device=device)
        configure_logging(settings.log_level)
        listener = listen(settings.host, settings.port)
        with stoppable():
            server = Server(create_app(settings), listener, settings, on_ready=_announce)
            server.serve_until_stopped()


@app.command()
def predict(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Photos.", show_default=False)],
    model: Annotated[
        list[str] | None, typer.Option(help="Model to ask; may be repeated. Without: all default ones.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON for each file.")] = False,
    models: ModelsOption = None,
    device: DeviceOption = None,
) -> None:
    """Asks models about photos. Exit status 1 if a file failed."""
    with _one_sentence():
        settings = Settings.load(models=models, device=device)
        answers = asyncio.run(_predict(settings, model, files))
    if as_json:
        for file, answer in zip(files, answers, strict=True):
            typer.echo(json.dumps({"file": str(file), **_as_json(answer)}))
    else:
        Console().print(_prediction_table(files, answers))
    if any(isinstance(answer, Exception) for answer in answers):
        raise typer.Exit(_FAILED)


@app.command("models")
def list_models(models: ModelsOption = None) -> None:
    """Lists the models of the repository."""
    with _one_sentence():
        repository = ModelRepository(Settings.load(models=models).models)
        table = Table("model", "versions", "labels", "accuracy", "asked by default", box=None)
        for name, versions in repository.list().items():
            table.add_row(*_description(repository, name, versions))
        Console().print(table)


@contextmanager
def _one_sentence() -> Iterator[None]:
    """An expected error is one sentence on stderr, not a traceback."""
    try:
        yield
    except LoupeError as error:
        typer.echo(f"loupe: {error}", err=True)
        raise typer.Exit(_FAILED) from None


def _announce(url: str) -> None:
    typer.echo(f"Loupe is ready at {url}")


async def _predict(settings: Settings, names: list[str] | None, files: list[Path]) -> list[FileAnswer]:
    service, answers = PredictionService.load(settings), list[FileAnswer]()
    at_once = min(_FILES_AT_ONCE, settings.max_queued_images)
    try:
        asked = [service.classifier(name).metadata.name for name in names or service.default_names]
        for start in range(0, len(files), at_once):
            answers += await asyncio.gather(*(_ask(service, asked, file) for file in files[start : start + at_once]))
    except ModelNotFoundError as error:
        raise typer.BadParameter(str(error), param_hint="--model") from None
    finally:
        service.close()
    return answers


async def _ask(service: PredictionService, names: list[str], file: Path) -> FileAnswer:
    try:
        answers = await service.predict(names, [await asyncio.to_thread(file.read_bytes)])
    except OSError as error:
        return error
    return answers.images[0]


def _as_json(answer: FileAnswer) -> dict[str, object]:
    if isinstance(answer, Exception):
        return {"error": _reason(answer), "error_type": type(answer).__name__}
    return {"results": {name: asdict(prediction) for name, prediction in answer.items()}}


def _reason(error: LoupeError | OSError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def _prediction_table(files: list[Path], answers: list[FileAnswer]) -> Table:
    table = Table("file", "model", "label", "probability", "certain", box=None)
    for file, answer in zip(files, answers, strict=True):
        if isinstance(answer, Exception):
            table.add_row(escape(str(file)), "", f"[red]{escape(_reason(answer))}[/red]")
            continue
        for name, one in answer.items():
            certain = "yes" if one.certain else "no"
            table.add_row(escape(str(file)), name, escape(one.label), f"{one.probability:.3f}", certain)
    return table


def _description(repository: ModelRepository, name: str, versions: tuple[int, ...]) -> tuple[str, ...]:
    facts = read_metadata(repository.path(name).read_bytes())
    accuracy = f"{facts.metrics.accuracy:.3f}" if facts.metrics else "not measured"
    numbers, labels = ", ".join(map(str, versions)), escape(", ".join(facts.label_names))
    return name, numbers, labels, accuracy, "yes" if facts.default else "no"


if __name__ == "__main__":
    app()
