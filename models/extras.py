"""Packages that are not needed by everybody: what to say where one is wanted and not installed."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, requires
from importlib.util import find_spec
from pathlib import Path

DISTRIBUTION = "loupe-serving"
"""What pyproject.toml calls all rooms but the client."""

_ROOT = Path(__file__).parents[1]
_ROOMS = ("models", "training", "serving", "loadtest")


def how_to_install(extra: str) -> str:
    """The command that adds this extra to the environment that runs, as it stands, from the folder that one is in."""
    return shlex.join([*_installer(), *_packages(extra)])


@contextmanager
def needing(extra: str) -> Iterator[None]:
    """Ends the program in one sentence where a package is missing that this extra brings.

    Raises:
        SystemExit: it is missing.
        ModuleNotFoundError: what is missing is a module of ours, which no extra brings.
    """
    try:
        yield
    except ModuleNotFoundError as missing:
        package = (missing.name or "").partition(".")[0]
        if package in _ROOMS:
            raise
        said = f"This command needs the extra `{extra}`, and {package} is not installed: {how_to_install(extra)}"
        raise SystemExit(said) from None


def _installer() -> list[str]:
    """An environment of `make serve` has no pip: uv, which lies beside it in the clone, fills it."""
    python = _near(Path(sys.executable))
    if find_spec("pip") is not None:
        return [python, "-m", "pip", "install"]
    uv = Path(sys.prefix).parent / ".venv-uv" / "bin" / "uv"
    return [_near(uv) if uv.is_file() else "uv", "pip", "install", "--python", python]


def _near(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _packages(extra: str) -> list[str]:
    """What the extra requires, not the extra itself: Loupe is installed already, and from no index."""
    marker = f"; extra == '{extra}'"
    try:
        return [line.removesuffix(marker) for line in requires(DISTRIBUTION) or [] if line.endswith(marker)]
    except PackageNotFoundError:  # a bare source tree
        return [f"{_ROOT}[{extra}]"]
