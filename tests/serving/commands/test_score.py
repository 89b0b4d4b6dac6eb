import json

import pyarrow.parquet as pq
import pytest

from models.extras import how_to_install

OK, FAILED, USAGE = 0, 1, 2


def rows_in(folder) -> list[dict[str, object]]:
    return sorted(pq.read_table(folder).to_pylist(), key=lambda row: (row["file"], row["model"] or ""))


def test_its_rows_are_those_of_predict(loupe, tree, tmp_path):
    (tree / "broken.jpg").write_bytes(b"no image")
    result = loupe("score", tree, "--out", tmp_path / "scores")
    assert (result.exit_code, result.stdout) == (OK, "")
    assert "scores: 13 pictures asked about now, 0 before; 1 failed" in result.stderr
    assert "  1 failed: the data is not an image that is served" in result.stderr
    loupe("predict", tree, "--output", tmp_path / "scores.parquet")
    assert len(rows_in(tmp_path / "scores")) == 25
    assert rows_in(tmp_path / "scores") == rows_in(tmp_path / "scores.parquet")


def test_it_goes_on_where_it_ended(loupe, tree, tmp_path):
    out = tmp_path / "scores"
    loupe("score", tree / "up", "--out", out, "--model", "orientation")
    result = loupe("score", tree, "--out", out, "--model", "orientation")
    assert "9 pictures asked about now, 3 before; 0 failed" in result.stderr
    assert [row["file"] for row in rows_in(out)] == sorted(map(str, tree.glob("*/*.*")))
    other = loupe("score", tree, "--out", out)
    assert (other.exit_code, "name another folder" in other.stderr) == (USAGE, True)


def test_what_failed_is_asked_about_again_if_that_is_wanted(loupe, tree, zoo, tmp_path):
    (tree / "broken.jpg").write_bytes(b"no image")
    asked = ("score", tree, "--out", tmp_path / "scores", "--model", "orientation")
    loupe(*asked)
    (tree / "broken.jpg").write_bytes(zoo.png("left"))
    assert "0 pictures asked about now, 13 before" in loupe(*asked).stderr
    assert "1 picture asked about now, 12 before; 0 failed" in loupe(*asked, "--retry-failed").stderr
    assert [row["error"] for row in rows_in(tmp_path / "scores")] == [None] * 13


def test_several_sources_at_once_and_a_name_that_comes_again(loupe, tree, tmp_path):
    listed = [json.dumps(str(tree / "up" / "0.jpeg")), str(tree / "left" / "1.png"), "missing.png"]
    (tmp_path / "list.csv").write_text("\n".join(["path", *listed]) + "\n")
    result = loupe("score", tmp_path / "list.csv", tree / "up", "--out", "scores", "--model", "orientation")
    assert "5 pictures asked about now, 1 before; 1 failed" in result.stderr
    found = {row["file"]: (row["label"], row["error"]) for row in rows_in(tmp_path / "scores")}
    assert found == {str(tree / "up" / name): ("up", None) for name in ("0.jpeg", "1.png", "2.webp")} | {
        str(tree / "left" / "1.png"): ("left", None),
        "missing.png": (None, "No such file or directory"),
    }


@pytest.mark.parametrize("source", ["nothing", "t.parquet"])
def test_a_source_that_cannot_be_read_is_one_sentence(loupe, tree, tmp_path, source):
    (tmp_path / "t.parquet").write_bytes(b"")
    result = loupe("score", tree / "up", source, "--out", "scores")
    assert (result.exit_code, result.stdout) == (FAILED, "")
    assert source in result.stderr
    assert "Traceback" not in result.stderr
    assert len(rows_in(tmp_path / "scores")) == 6


def test_nothing_to_score_is_a_failure(loupe, tmp_path):
    (tmp_path / "empty").mkdir()
    nothing = loupe("score", "empty", "--out", "scores")
    assert (nothing.exit_code, "There are no photos in empty.\n" in nothing.stderr) == (FAILED, True)
    (tmp_path / "file").touch()
    no_folder = loupe("score", "empty", "--out", "file")
    assert (no_folder.exit_code, no_folder.stderr) == (FAILED, "loupe: file is a file, and must be a folder\n")
    assert loupe("score", "empty", "--out", "scores", "--model", "nobody").exit_code == USAGE


@pytest.mark.parametrize(("package", "extra", "engine"), [("pyarrow", "parquet", "here"), ("ray", "ray", "ray")])
def test_it_names_its_extra(loupe, tree, monkeypatch, package, extra, engine):
    monkeypatch.setattr("serving.commands.score.find_spec", lambda name: None if name == package else name)
    result = loupe("score", tree, "--out", "scores", "--engine", engine)
    assert result.exit_code == FAILED
    assert how_to_install(extra) in result.stderr
