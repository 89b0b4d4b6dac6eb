import os
from pathlib import Path

import pytest

from models.whole_file import write_whole


def test_what_was_there_is_replaced_and_nobody_else_may_read_it(tmp_path):
    write_whole(tmp_path / "one.json", b"first")
    assert (tmp_path / "one.json").stat().st_mode & 0o777 == 0o644
    write_whole(tmp_path / "one.json", b"second", mode=0o600)
    assert (tmp_path / "one.json").read_bytes() == b"second"
    assert (tmp_path / "one.json").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["one.json"]


@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_where_it_fails_the_old_one_stays_and_nothing_else(tmp_path, monkeypatch, fails):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    write_whole(tmp_path / "one.json", b"first")
    monkeypatch.setattr(os if fails == "fsync" else Path, fails, full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(tmp_path / "one.json", b"second")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"one.json": b"first"}
