"""What made a model: the commit of this code, and the packages beside it."""

import subprocess
from importlib.metadata import version
from pathlib import Path


def git_revision() -> str:
    """The commit of the checkout that this code lies in, with ``-dirty`` if it was changed; ``unknown`` outside git."""
    try:
        commit = _git("rev-parse", "--short=12", "HEAD")
        # Not `describe --dirty`, which writes the repository's index.
        return f"{commit}-dirty" if _git("status", "--porcelain", "--untracked-files=no") else commit
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*words: str) -> str:
    command = ["git", "--no-optional-locks", *words]
    return subprocess.run(  # noqa: S603  # fixed words
        command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
    ).stdout.strip()


def installed_version(package: str) -> str:
    """Of a distribution; ``unknown`` where it is not installed under that name."""
    try:
        return version(package)
    except ModuleNotFoundError:  # another build of it, such as onnxruntime-gpu
        return "unknown"
