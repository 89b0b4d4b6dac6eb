"""The command ``loupe``: serve, predict, score, upright, models."""

import logging
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from models.repository import ModelRepository, read_metadata
from serving.commands.common import DeviceOption, ModelsOption, console, one_sentence
from serving.commands.predict import predict
from serving.commands.score import score
from serving.commands.upright import upright
from serving.engine.runtime import printed
from serving.settings import Settings
from serving.settings.environment import passed_over
from serving.settings.version import git_revision, service_version
from serving.versions.hangup import hold_hangups
from serving.versions.loading import Loader

_log = logging.getLogger("loupe.start")

app = typer.Typer(
    name="loupe",
    help="Serves small image classifiers over HTTP, and asks them on the command line.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"loupe {service_version()} ({git_revision()[:12]})")
        raise typer.Exit


@app.callback()
def _loupe(
    _: Annotated[bool, typer.Option("--version", is_eager=True, callback=_say_version, help="Say which one.")] = False,
) -> None: ...


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
    hold_hangups()
    # Imported here, as FastAPI costs half a second that no other command needs.
    from serving.access.listening import listen
    from serving.http.app import create_app
    from serving.http.server import Server, stoppable
    from serving.observability.logging import configure_logging

    with one_sentence():
        settings = Settings.load(models=models, host=host, port=port, device=device)
        configure_logging(settings.log_level)
        _log_what_came_before()
        listener = listen(settings.host, settings.port)
        with stoppable():
            server = Server(create_app(settings), listener, settings, on_ready=_announce)
            server.serve_until_stopped()


app.command()(predict)
app.command()(score)
app.command()(upright)


@app.command("models")
def list_models(models: ModelsOption = None) -> None:
    """Lists the models of the repository."""
    with one_sentence():
        loader = Loader(Settings.load(models=models))
        loader.fetch()
        repository = ModelRepository(loader.root)
        table = Table("model", "versions", "labels", "accuracy", "asked by default", box=None)
        for name, versions in repository.list().items():
            table.add_row(*_description(repository, name, versions))
        console().print(table)


def _log_what_came_before() -> None:
    """What was noticed before there was a log."""
    if links := passed_over():
        _log.info("variables that Kubernetes injects for Services are passed over", extra={"variables": links})
    for line in printed:
        _log.warning("ONNX Runtime: %s", line)


def _announce(url: str) -> None:
    typer.echo(f"Loupe is ready at {url}")


def _description(repository: ModelRepository, name: str, versions: tuple[int, ...]) -> tuple[str, ...]:
    facts = read_metadata(repository.path(name).read_bytes())
    accuracy = f"{facts.metrics.accuracy:.3f}" if facts.metrics else "not measured"
    numbers, labels = ", ".join(map(str, versions)), escape(", ".join(facts.label_names))
    return name, numbers, labels, accuracy, "yes" if facts.default else "no"


if __name__ == "__main__":
    app()
