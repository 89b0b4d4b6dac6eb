"""Parts, and what a kill leaves of them."""

import subprocess
import sys
import textwrap
from contextlib import suppress
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from models.errors import OtherModelsError, RequestError
from serving.scoring.parts import names_in, open_parts, parts_in
from serving.scoring.score import COLUMNS

VERSIONS = {"orientation": "2", "selfie": "3"}


def rows(*names: str, error: str | None = None) -> list[dict[str, object]]:
    """Two rows a picture, as two models are asked; one, if it failed."""
    return [
        {**dict.fromkeys(COLUMNS), "file": name, "model": None if error else model, "error": error}
        for name in names
        for model in (["none"] if error else VERSIONS)
    ]


def held(folder: Path) -> list[tuple[str, str]]:
    """File and model of each row, in order."""
    found = [row for part in parts_in(folder) for row in pq.read_table(part).to_pylist()]
    return [(row["file"], row["model"]) for row in found]


def test_rows_are_kept_once_and_gone_on_with(tmp_path):
    out = tmp_path / "new" / "folder"
    with open_parts(out, VERSIONS) as parts:
        assert [one[0]["file"] for one in parts.add(rows("a", "b"))] == ["a", "b"]
        assert [one[0]["file"] for one in parts.add(rows("b", "c"))] == ["c"]
    with open_parts(out, VERSIONS) as parts:
        assert (parts.before, "b" in parts.known) == (3, True)
        assert len(parts.add(rows("c", "d"))) == 1
    assert held(out) == [(name, model) for name in "abcd" for model in VERSIONS]
    assert [part.name for part in parts_in(out)] == ["part-000001.parquet", "part-000002.parquet"]
    assert pq.read_table(out).num_rows == 8
    assert list(dict.fromkeys(names_in(parts_in(out)))) == list("abcd")


def test_a_part_is_written_when_it_is_full_and_at_the_end_however_that_comes(tmp_path, monkeypatch):
    monkeypatch.setattr("serving.scoring.parts._ROWS", 4)
    with suppress(KeyboardInterrupt), open_parts(tmp_path, VERSIONS) as parts:
        parts.add(rows("a"))
        assert held(tmp_path) == []
        parts.add(rows("b"))
        assert len(held(tmp_path)) == 4
        parts.add(rows("c"))
        raise KeyboardInterrupt
    assert len(held(tmp_path)) == 6


def test_failures_are_forgotten_only_if_that_is_wanted(tmp_path):
    with open_parts(tmp_path, VERSIONS) as parts:
        parts.add([*rows("a"), *rows("b", error="broken")])
        parts.flush()
        parts.add(rows("c", error="broken"))
    with open_parts(tmp_path, VERSIONS) as parts:
        assert parts.before == 3
    with open_parts(tmp_path, VERSIONS, forget_failures=True) as parts:
        assert (parts.before, "a" in parts.known, "b" in parts.known) == (1, True, False)
        parts.add(rows("b"))
    assert held(tmp_path) == [(name, model) for name in "ab" for model in VERSIONS]


def test_another_run_other_models_and_other_files_are_refused(tmp_path):
    with open_parts(tmp_path, VERSIONS) as parts:
        parts.add(rows("a"))
        with pytest.raises(RequestError, match="another loupe score writes into"), open_parts(tmp_path, VERSIONS):
            pass
    told = "holds the answers of orientation 2, selfie 3, and orientation 3 would be asked"
    with pytest.raises(OtherModelsError, match=told), open_parts(tmp_path, {"orientation": "3"}):
        pass
    pq.write_table(pq.read_table(tmp_path).select(["file"]), tmp_path / "part-000007.parquet")
    with pytest.raises(RequestError, match="holds something else than scores"), open_parts(tmp_path, VERSIONS):
        pass
    (tmp_path / "part-000007.parquet").rename(tmp_path / "other")
    pq.write_table(
        pq.read_table(tmp_path / "part-000001.parquet").replace_schema_metadata(), tmp_path / "part-x.parquet"
    )
    with pytest.raises(RequestError, match="holds something else than scores"), open_parts(tmp_path, VERSIONS):
        pass
    (tmp_path / "part-x.parquet").unlink()
    (tmp_path / "part-000007.parquet").write_bytes(b"PAR1")
    with pytest.raises(RequestError, match="cannot be gone on with"), open_parts(tmp_path, VERSIONS):
        pass


KILLED = """
import os, signal, sys
from pathlib import Path
import serving.scoring.parts as module

def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)

def rows(name): return [{**dict.fromkeys(module.SCHEMA.names), "file": name, "model": model} for model in "xy"]

real_write, real_replace = module.pq.write_table, Path.replace
def half(table, file, **options):
    real_write(table, file, **options)
    file.truncate(file.tell() // 2)
    die()
kills = {
    "before the part": lambda: setattr(module.pq, "write_table", die),
    "in the part": lambda: setattr(module.pq, "write_table", half),
    "before its name": lambda: setattr(Path, "replace", die),
    "after its name": lambda: setattr(Path, "replace", lambda *ends: (real_replace(*ends), die())),
}
folder, moment = Path(sys.argv[1]), None
for moment in kills:  # one process for all of them, as imports take seconds
    if not (child := os.fork()):
        break
    print(os.WTERMSIG(os.waitpid(child, 0)[1]))
else:
    sys.exit()
with module.open_parts(folder / moment, {"x": "1", "y": "1"}) as parts:
    for name in "abcdef":
        parts.add(rows(name))
        if name == "b": parts.flush()
        if name == "d":
            kills[moment]()
            parts.flush()
            die()
"""


def test_a_kill_at_any_moment_leaves_whole_parts_and_the_next_run_the_rest(tmp_path):
    command = [sys.executable, "-c", textwrap.dedent(KILLED), tmp_path]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True)
    assert (done.stdout.split(), done.stderr) == (["9"] * 4, "")
    found = {}
    for out in tmp_path.iterdir():
        with open_parts(out, {"x": "1", "y": "1"}) as parts:
            found[out.name] = parts.before
            parts.add({**dict.fromkeys(COLUMNS), "file": name, "model": model} for name in "abcdef" for model in "xy")
        assert sorted(held(out)) == [(name, model) for name in "abcdef" for model in "xy"]
        assert not list(out.glob(".part*"))
    assert found == {"before the part": 2, "in the part": 2, "before its name": 2, "after its name": 4}
