"""loupe serve: the server, from its settings to its end."""

import gc
import logging
import sys
from typing import Annotated

import typer

from serving.commands.common import DeviceOption, ModelsOption, one_sentence
from serving.versions.hangup import hold_hangups

_log = logging.getLogger("loupe.start")
_TURN_S = 0.0005  # that a thread may keep the interpreter from the event loop; by default 5 ms
_LOOKED_AT_AFTER = 10_000  # new objects; by default 700, which one request makes, and none of them are in a circle


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
    sys.setswitchinterval(_TURN_S)
    gc.disable()  # it looked at all that is imported and loaded again and again, and found nothing; see _announce
    # Imported behind that, as it takes a second in which a SIGHUP would end the process.
    from serving.access.listening import listen
    from serving.http.app import create_app
    from serving.http.server import Server, stoppable
    from serving.observability.logging import configure_logging
    from serving.settings import Settings

    with one_sentence():
        settings = Settings.load(models=models, host=host, port=port, device=device)
        configure_logging(settings.log_level)
        _log_what_came_before()
        listener = listen(settings.host, settings.port)
        with stoppable():
            server = Server(create_app(settings), listener, settings, on_ready=_announce)
            server.serve_until_stopped()


def _log_what_came_before() -> None:
    """What was noticed before there was a log."""
    from serving.engine.runtime import printed
    from serving.settings.environment import passed_over

    if links := passed_over():
        _log.info("variables that Kubernetes injects for Services are passed over", extra={"variables": links})
    for line in printed:
        _log.warning("ONNX Runtime: %s", line)


def _announce(url: str) -> None:
    """What is there by now stays, so the garbage collector need not look at it: that stopped the loop for 0.1 s."""
    from serving.engine.allocator import give_back

    gc.freeze()
    gc.set_threshold(_LOOKED_AT_AFTER, *gc.get_threshold()[1:])
    gc.enable()
    give_back()
    typer.echo(f"Loupe is ready at {url}")
