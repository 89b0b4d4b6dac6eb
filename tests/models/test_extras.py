"""A package that is missing: the sentence's command works as it stands."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.extras import DISTRIBUTION, how_to_install, needing

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_distribution_is_the_one_of_pyproject():
    assert PROJECT["name"] == DISTRIBUTION


@pytest.mark.parametrize("extra", ["grpc", "heif", "imagenet", "parquet", "tracing", "tracking"])
def test_an_extra_s_packages_are_asked_for_by_their_names(extra):
    packages = shlex.split(how_to_install(extra))[-len(PROJECT["optional-dependencies"][extra]) :]
    assert sorted(packages) == sorted(PROJECT["optional-dependencies"][extra])


def test_the_command_works_as_it_stands(monkeypatch):
    monkeypatch.chdir(ROOT)
    *command, _ = shlex.split(how_to_install("parquet"))
    done = subprocess.run([*command, "--dry-run", "pyarrow"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_an_environment_with_pip_uses_it(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("models.extras.find_spec", lambda _: "found")
    assert shlex.split(how_to_install("parquet")) == [sys.executable, "-m", "pip", "install", "pyarrow>=21"]


def test_a_bare_source_tree_is_installed_with_the_extra(monkeypatch):
    monkeypatch.setattr("models.extras.DISTRIBUTION", "no-such-distribution")
    assert how_to_install("parquet").endswith(f"'{ROOT}[parquet]'")


@pytest.mark.parametrize(
    ("room", "missing", "extra"), [("serving", "typer", "serving"), ("training", "keras", "training")]
)
def test_a_command_without_its_packages_says_so_in_one_sentence(room, missing, extra, tmp_path):
    (tmp_path / "upright").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (60, 32, 32, 3), np.uint8)
    for index, pixels in enumerate(noise):  # what is given is looked at first
        Image.fromarray(pixels).save(tmp_path / f"upright/{index}.png")
    arguments = ["train", "training/recipes/orientation_talk.toml", str(tmp_path / "upright")]
    script = (
        f"import sys; sys.modules[{missing!r}] = None; sys.argv[1:] = {arguments!r}\n"
        f"from {room}.commands.start import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert re.fullmatch(
        rf"This command needs the extra `{extra}`, and {missing} is not installed: .* install .*\n", done.stderr
    )


def test_a_module_of_ours_that_is_missing_is_a_bug_and_told_as_one():
    with pytest.raises(ModuleNotFoundError, match="no_such"), needing("serving"):
        import models.no_such  # noqa: F401
