"""``python -m loadtest.cli``: the load test, on a server that is given or on one that it starts and stops."""

import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from loadtest.processes import server

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_LOCUSTFILE = Path(__file__).with_name("locustfile.py")
_LAST_ANSWERS_S = 30  # so that a request on its way at the end is no failure


@app.command()
def run(
    url: Annotated[str, typer.Option(help="A running Loupe; without, one is started and stopped.")] = "",
    users: Annotated[int, typer.Option(min=1, help="Clients that ask at once.")] = 4,
    duration_s: Annotated[int, typer.Option(min=1, help="Seconds that they ask.")] = 30,
) -> None:
    """Prints throughput, percentiles and failures. Exit status 1 if anything failed."""
    with nullcontext((url, 0)) if url else server() as (address, _):
        raise typer.Exit(_locust(address, users, duration_s))


def _locust(url: str, users: int, duration_s: int) -> int:
    """Runs locust in a process of its own: gevent patches the whole interpreter, and TensorFlow does not survive it."""
    command = [sys.executable, "-m", "locust", "--locustfile", str(_LOCUSTFILE), "--headless", "--only-summary"]
    command += ["--host", url, "--users", str(users), "--spawn-rate", str(users)]
    command += ["--run-time", f"{duration_s}s", "--stop-timeout", str(_LAST_ANSWERS_S)]
    return subprocess.run(command, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    app()
