"""The server as a process of its own."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "serving.commands.cli", "serve", "--port", "0"]


@pytest.fixture
def spawn() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts ``loupe serve``, perhaps behind another command; whatever still runs at the end is killed."""
    with ExitStack() as stack:

        def start(models: Path, before: list[str] | None = None, **settings: object) -> subprocess.Popen[str]:
            environment = {f"LOUPE_{name.upper()}": str(value) for name, value in settings.items()}
            process = subprocess.Popen(
                [*(before or []), *COMMAND, "--models", str(models)],
                cwd=ROOT,
                env=os.environ | {"PYTHONUNBUFFERED": "1"} | environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield start
