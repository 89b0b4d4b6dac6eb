"""Where the command ``loupe-train`` begins: before anything is imported that may not be installed."""

from models.extras import needing


def main() -> None:
    """Runs it; a package that is missing is told in one sentence."""
    with needing("training"):
        from training.commands.cli import app

        app()
