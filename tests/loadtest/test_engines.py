import ast
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer

from loadtest.engines import Scored, album, commands, digest, main, run, table


def test_the_album_has_as_many_pictures_and_some_are_broken(tmp_path):
    album(tmp_path, 1010)
    files = sorted(tmp_path.rglob("*.jpg"))
    assert len(files) == 1010
    broken = [path.stem for path in files if path.read_bytes() == b"no image"]
    assert broken == ["0000007", "0000507", "0001007"]
    assert len(list((tmp_path / "000").iterdir())) == 1000


def test_rows_are_the_same_in_whatever_files_and_order(tmp_path):
    rows = [{"file": name, "model": model, "label": "up"} for name in "abc" for model in ("m", None)]
    for folder, parts in {"one": [rows], "two": [rows[::-1][:4], rows[::-1][4:]], "less": [rows[1:]]}.items():
        (tmp_path / folder).mkdir()
        for number, part in enumerate(parts):
            pq.write_table(pa.Table.from_pylist(part), tmp_path / folder / f"{number}.parquet")
    assert digest(tmp_path / "one") == digest(tmp_path / "two") != digest(tmp_path / "less")


def test_the_table_tells_rates_and_whose_rows_differ():
    lines = table([Scored("one machine", 1000, 8.0, 200.4, "a"), Scored("Ray", 1000, 20.0, 900.0, "b")]).splitlines()
    assert lines[2] == "| one machine | 1,000 | 8 | 125 | 200 | the same |"
    assert lines[3] == "| Ray | 1,000 | 20 | 50 | 900 | others |"


def test_an_engine_that_fails_is_told_with_what_it_said(tmp_path):
    failing = [sys.executable, "-c", "raise SystemExit('no Java here')"]
    with pytest.raises(RuntimeError, match=r"^Spark ended with 1: no Java here"):
        run("Spark", failing, tmp_path, tmp_path)
    nobody = [sys.executable, "-c", "pass"]
    with pytest.raises(RuntimeError, match=r"^Ray, an actor killed ended with 0"):
        run("Ray, an actor killed", nobody, tmp_path, tmp_path)


def test_spark_s_program_can_be_read(tmp_path):
    ast.parse(commands(tmp_path, tmp_path, "orientation")["Spark"][2])


def test_an_engine_that_nobody_knows_is_told_with_those_there_are():
    with pytest.raises(typer.BadParameter, match=r"^'Rey' is none of 'one machine', 'Ray', "):
        main(only=["Rey"])
