import csv
import json
import re
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from models.extras import how_to_install

OK, FAILED, USAGE = 0, 1, 2
READERS = {
    ".csv": lambda path: list(csv.DictReader(path.read_text().splitlines())),
    ".parquet": lambda path: pq.read_table(path).to_pylist(),
}


@pytest.fixture(params=[".csv", ".jsonl", ".parquet"])
def suffix(request) -> str:
    return request.param


def files_in(path) -> list[str]:
    """The file of each row or line, in order."""
    if path.suffix == ".jsonl":
        return [json.loads(line)["file"] for line in path.read_text().splitlines()]
    return [row["file"] for row in READERS[path.suffix](path)]


def test_a_tree_is_asked_about_in_order(loupe, tree):
    (tree / "notes.txt").write_text("no photo")
    result = loupe("predict", tree, "--json")
    assert result.exit_code == OK
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["file"] for line in lines] == sorted(map(str, tree.glob("*/*.*")))
    assert [line["results"]["orientation"]["label"] for line in lines[:3]] == ["down"] * 3
    assert "orientation" in loupe("predict", tree).stdout


def test_the_answers_are_the_server_s(loupe, tree, client):
    lines = [json.loads(line) for line in loupe("predict", tree, "--json").stdout.splitlines()]
    for line in lines:
        photo = Path(line["file"]).read_bytes()
        results = client.post("/v1/predict?models=orientation,selfie", content=photo).json()["results"]
        assert {name: [answer] for name, answer in line["results"].items()} == {
            name: result["predictions"] for name, result in results.items()
        }
        assert line["versions"] == {name: result["version"] for name, result in results.items()}


def test_a_file_of_scores_has_every_answer(loupe, tree, tmp_path, suffix):
    (tree / "broken.jpg").write_bytes(b"no image")
    output = tmp_path / f"scores{suffix}"
    result = loupe("predict", tree, "--output", output, "--model", "orientation")
    assert result.exit_code == FAILED
    assert "13 files asked about now, 0 before; 1 failed." in result.stderr
    told = {line["file"]: line for line in map(json.loads, loupe("predict", tree, "--json").stdout.splitlines())}
    assert files_in(output) == list(told)
    if suffix == ".jsonl":
        return
    for row in READERS[suffix](output):
        if row["error"]:
            assert (row["file"], row["error"]) == (str(tree / "broken.jpg"), told[row["file"]]["error"])
            continue
        expected = told[row["file"]]["results"]["orientation"]
        assert (row["model"], row["version"], row["label"]) == ("orientation", "1", expected["label"])
        assert float(row["probability"]) == expected["probability"]
        assert str(row["certain"]) == str(expected["certain"])
        assert json.loads(row["probabilities"]) == expected["probabilities"]
        assert json.loads(row["attributes"]) == expected["attributes"]


def test_it_goes_on_where_the_output_ends(loupe, tree, tmp_path, suffix):
    output = tmp_path / f"scores{suffix}"
    for side in ("up", "left"):
        loupe("predict", tree / side, "--output", output, "--model", "orientation")
    result = loupe("predict", tree, "--output", output, "--model", "orientation")
    assert "6 files asked about now, 6 before; 0 failed." in result.stderr
    assert sorted(files_in(output)) == sorted(map(str, tree.glob("*/*.*")))
    before = output.read_bytes()
    again = loupe("predict", tree, "--output", output, "--model", "orientation")
    assert "0 files asked about now, 12 before" in again.stderr
    assert files_in(output) == files_in(output)
    assert suffix == ".parquet" or output.read_bytes() == before


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_half_a_line_at_the_end_is_asked_about_again(loupe, tree, tmp_path, suffix):
    output = tmp_path / f"scores{suffix}"
    loupe("predict", tree, "--output", output, "--model", "orientation")
    whole = output.read_bytes()
    output.write_bytes(whole[:-30])
    assert (
        "1 file asked about now, 11 before"
        in loupe("predict", tree, "--output", output, "--model", "orientation").stderr
    )
    assert output.read_bytes() == whole


def test_rows_gather_beside_a_parquet_file_until_the_end(loupe, tree, tmp_path):
    """A process that was killed has left some, and perhaps some that are in the file already."""
    output, gathered = tmp_path / "scores.parquet", tmp_path / ".scores.parquet.part"
    loupe("predict", tree / "up", "--output", output, "--model", "orientation")
    rows = pq.read_table(output).to_pylist()
    gathered.write_text("".join(json.dumps(row) + "\n" for row in [rows[0], {**rows[1], "file": "elsewhere.jpg"}]))
    loupe("predict", tree / "up", tree / "left", "--output", output, "--model", "orientation")
    assert sorted(files_in(output)) == sorted(
        [*map(str, (tree / "up").iterdir()), *map(str, (tree / "left").iterdir()), "elsewhere.jpg"]
    )
    assert not gathered.exists()


def test_wrong_use_is_told(loupe, tree, tmp_path, suffix):
    for arguments in (["--output", "scores.xlsx"], ["--output", f"scores{suffix}", "--json"]):
        assert loupe("predict", tree, *arguments).exit_code == USAGE
    other = tmp_path / f"other{suffix}"
    other.write_text("something,else\n1,2\n")
    result = loupe("predict", tree, "--output", other)
    assert (result.exit_code, result.stderr.count("\n")) == (FAILED, 1)
    assert other.read_text() == "something,else\n1,2\n"
    result = loupe("predict", tree, "--output", tmp_path / "missing" / f"scores{suffix}")
    assert (result.exit_code, result.stderr.count("\n")) == (FAILED, 1)


def test_parquet_names_its_extra(loupe, tree, monkeypatch):
    monkeypatch.setattr("serving.scoring.score_file.find_spec", lambda _: None)
    result = loupe("predict", tree, "--output", "scores.parquet")
    assert result.exit_code == FAILED
    assert "need the extra `parquet`" in result.stderr
    assert how_to_install("parquet") in result.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow no such names")
def test_names_of_any_bytes_are_kept(loupe, tree, tmp_path, zoo):
    strange = tree / 'caf\udce9, "quoted"\n.png'
    strange.write_bytes(zoo.png("left"))
    for output in (tmp_path / "scores.csv", tmp_path / "scores.jsonl"):
        asked = ("predict", tree, "--output", output, "--model", "orientation")
        loupe(*asked)
        assert "0 files asked about now, 13 before" in loupe(*asked).stderr
    assert loupe("predict", tree).exit_code == OK


@pytest.mark.parametrize(("asked", "held"), [(["selfie"], "orientation"), (["orientation", "selfie"], "orientation")])
def test_a_table_of_other_models_is_not_gone_on_with(loupe, tree, tmp_path, suffix, asked, held):
    output = tmp_path / f"scores{suffix}"
    loupe("predict", tree, "--output", output, "--model", "orientation")
    before = output.read_bytes()
    result = loupe("predict", tree, "--output", output, *(part for name in asked for part in ("--model", name)))
    assert result.exit_code == USAGE
    told = " ".join(re.sub("[│╭╮╰╯─]", " ", result.stderr).split())
    assert f"holds the answers of {held}, and {', '.join(asked)} would be asked; name another file" in told
    assert output.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_files_that_failed_are_asked_about_again(loupe, tree, zoo, tmp_path, suffix):
    output = tmp_path / f"scores{suffix}"
    broken, other = tree / "broken.jpg", tree / "other.png"
    broken.write_bytes(b"no image")
    other.write_bytes(b"no image either")
    assert loupe("predict", tree, "--output", output, "--model", "orientation").exit_code == FAILED
    again = loupe("predict", tree, "--output", output, "--model", "orientation")
    assert (again.exit_code, files_in(output).count(str(broken))) == (FAILED, 1)
    assert "2 files asked about now, 12 before; 2 failed." in again.stderr
    broken.write_bytes(zoo.png("left"))
    mended = loupe("predict", broken, "--output", output, "--model", "orientation")
    assert (mended.exit_code, files_in(output).count(str(broken))) == (OK, 1)
    assert "1 file asked about now, 0 before; 0 failed." in mended.stderr
    assert sorted(files_in(output)) == sorted([*map(str, tree.glob("*/*.*")), str(broken), str(other)])
    other.write_bytes(zoo.png("left"))
    assert loupe("predict", tree, "--output", output, "--model", "orientation").exit_code == OK
    assert (
        "0 files asked about now, 14 before"
        in loupe("predict", tree, "--output", output, "--model", "orientation").stderr
    )
    if suffix != ".jsonl":
        assert not any(row["error"] for row in READERS[suffix](output))


def test_why_files_failed_is_counted(loupe, tree):
    for name in ("one.jpg", "two.png"):
        (tree / name).write_bytes(b"no image")
    (tree / "three.gif").write_bytes(b"")
    result = loupe("predict", tree, "--json")
    assert result.exit_code == FAILED
    assert "  2 failed: the data is not an image that is served" in result.stderr
    assert "  1 failed: the data is empty" in result.stderr


def test_files_of_other_kinds_are_counted(loupe, tree):
    for name in ("a.CR2", "b.cr2", "c.xmp", "d", ".hidden.xmp"):
        (tree / name).write_bytes(b"")
    (tree / ".trash").mkdir()
    (tree / ".trash" / "e.xmp").write_bytes(b"")
    result = loupe("predict", tree)
    assert result.exit_code == OK
    assert "Not asked about, as of other kinds: 2 .cr2, 1 .xmp, 1 without a suffix.\n" in result.stderr


def test_a_folder_without_photos_is_told(loupe, tmp_path):
    (tmp_path / "empty").mkdir()
    result = loupe("predict", "empty")
    assert (result.exit_code, result.stdout) == (FAILED, "")
    assert result.stderr == "There are no photos in empty.\n"
    (tmp_path / "empty" / "notes.txt").write_text("")
    result = loupe("predict", "empty", "--output", "scores.csv")
    assert result.exit_code == FAILED
    assert "There are no photos in empty.\nNot asked about, as of other kinds: 1 .txt.\n" in result.stderr


def test_a_table_in_a_pipe_has_whole_names(loupe, zoo, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    name = f"{'a-long-name-' * 12}.png"
    (tmp_path / name).write_bytes(zoo.png("left"))
    lines = loupe("predict", name).stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["file", name, name]
