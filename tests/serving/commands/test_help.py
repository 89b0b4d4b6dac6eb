"""Help, which is asked for often and uses next to nothing."""

import inspect
import subprocess
import sys
from importlib import import_module

import pytest

from serving.commands.cli import COMMANDS

_NOT_USED = {"PIL", "asyncio", "fastapi", "numpy", "onnxruntime", "pydantic", "rich", "starlette", "uvicorn"}
_HELP = f"""
import sys
from serving.commands.cli import app
sys.argv = ["loupe", "--help"]
try:
    app()
finally:
    print(sorted({_NOT_USED} & sys.modules.keys()))
"""


def test_help_imports_nothing_that_it_does_not_use():
    """All that the commands use took 1.1 s of CPU."""
    done = subprocess.run([sys.executable, "-c", _HELP], capture_output=True, text=True, check=True)
    assert "Asks models about photos." in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_of_itself_what_the_help_of_all_says(loupe, name):
    module, told = COMMANDS[name]
    assert inspect.getdoc(getattr(import_module(module), name)).startswith(told)
    result = loupe(name, "--help")
    assert result.exit_code == 0
    assert f"{name} [OPTIONS]" in result.output
    assert told in " ".join(result.output.split())
