"""The command in this process, and trees of photos."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from serving.commands.cli import app

TURN = {"up": 0, "right": 270, "down": 180, "left": 90}


@pytest.fixture
def loupe(models, monkeypatch, tmp_path):
    """Runs the command as a person does who stands in ``tmp_path``."""
    monkeypatch.setenv("LOUPE_MODELS", str(models))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)

    def loupe(*arguments: object) -> Result:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return loupe


@pytest.fixture
def tree(zoo, tmp_path) -> Path:
    """Twelve photos: of every side in three formats, in two folders."""
    tree = tmp_path / "album"
    for side in TURN:
        (tree / side).mkdir(parents=True)
        for number, kind in enumerate(("JPEG", "PNG", "WEBP")):
            data = zoo.encode(zoo.lit(side, (64, 48 + number)), kind)
            (tree / side / f"{number}.{kind.lower()}").write_bytes(data)
    return tree
