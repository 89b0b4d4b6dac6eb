"""What a person sees who sits at a terminal, and what goes into a file meanwhile."""

import json
import sys
from io import FileIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import TextIO

import pytest

from serving.commands.cli import app


class Terminal(StringIO):
    """What is written to it; it says that a person looks at it."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def told(models, monkeypatch):
    """Runs the command with stderr on a terminal; answers its exit status, and what went there."""
    monkeypatch.setenv("LOUPE_MODELS", str(models))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")

    def told(stdout: TextIO, *arguments: object) -> tuple[int | None, str]:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", stdout)
            patch.setattr(sys, "stderr", terminal := Terminal())
            code = app([str(argument) for argument in arguments], standalone_mode=False)
        return code, terminal.getvalue()

    return told


LINES = [("upright", "--json"), ("upright", "--csv"), ("predict", "--json")]


@pytest.mark.parametrize(("command", "form"), LINES)
def test_lines_reach_the_file_that_they_are_for_under_a_bar(told, tree, command, form):
    _, terminal = told(out := StringIO(), command, tree, form)
    lines = out.getvalue().splitlines()
    assert len(lines) == 12 + (form == "--csv")
    if form == "--json":
        assert {json.loads(line)["file"] for line in lines} == {str(path) for path in tree.glob("*/*")}
    assert "12/12" in terminal
    assert '"file"' not in terminal


@pytest.mark.parametrize(("command", "form"), LINES)
def test_no_bar_mixes_with_lines_on_one_terminal(told, tree, command, form):
    _, terminal = told(out := Terminal(), command, tree, form)
    assert len(out.getvalue().splitlines()) == 12 + (form == "--csv")
    assert "12/12" not in terminal


@pytest.mark.parametrize("command", ["upright", "predict"])
def test_a_file_s_name_gives_a_terminal_no_orders(told, tree, command):
    (tree / "left" / "0.jpeg").rename(tree / "left" / "\x1b]0;a title\x07\x9b31m\nred 📷.jpeg")
    (tree / "notes.\x1b[31m").touch()
    _, terminal = told(out := StringIO(), command, tree)
    lines = out.getvalue().splitlines()
    assert "of other kinds: 1 .�[31m." in terminal
    assert any("left/�]0;a title��31m�red 📷.jpeg" in line for line in lines)
    assert not set("\x1b\x07\x9b") & set("".join(lines))
    assert "a title" not in terminal


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="other systems have no file that is always full")
@pytest.mark.parametrize(("command", "form"), LINES)
def test_a_full_disk_is_one_sentence(told, tree, command, form):
    with TextIOWrapper(FileIO("/dev/full", "w"), write_through=True) as full:
        code, terminal = told(full, command, tree, form)
    assert code == 1
    assert "loupe: what is told cannot be written: No space left on device" in terminal
    assert "Traceback" not in terminal
