"""Which Loupe this is."""

import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from models.extras import DISTRIBUTION

_SERVING = Path(__file__).parents[1]
_BUILT_FROM = _SERVING / "REVISION"
"""Written where Loupe is built without its git history, as into an image."""


@cache
def service_version() -> str:
    """The version of the installed distribution; ``unknown`` in a bare source tree."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "unknown"


@cache
def git_revision() -> str:
    """The commit that this code was built from or is checked out at; ``unknown`` where nothing tells."""
    if _BUILT_FROM.is_file():
        return _BUILT_FROM.read_text().strip()
    checkout = _SERVING.parent
    if not (checkout / ".git").exists():  # git would find a repository that merely surrounds an installed Loupe
        return "unknown"
    command = ["git", "-C", str(checkout), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, check=True, text=True, timeout=5).stdout.strip()  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return "unknown"
