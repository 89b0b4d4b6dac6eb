import csv
import gzip
import io
import tarfile
import tracemalloc
from pathlib import Path

import fsspec
import pyarrow as pa
import pytest

from models.errors import RequestError
from models.store import read_object
from serving.scoring.sources import Source
from serving.scoring.sources.table import Columns


def pictures(place: object, column: str | None = None, name_column: str | None = None, at_most: int = 10**6):
    return list(Source(str(place), Columns(column, name_column), at_most).pictures())


def data_of(found) -> list[bytes]:
    return [Path(one.place).read_bytes() if one.data is None else one.data for one in found]


def test_a_folder_s_pictures_are_read_where_they_are(kept, tmp_path):
    found = pictures(tmp_path / "photos")
    assert [one.name for one in found] == [str(tmp_path / "photos" / name) for name in kept]
    assert data_of(found) == list(kept.values())
    assert [one.data for one in found] == [None] * 5


def test_an_archive_s_pictures_come_with_their_bytes(kept, archive):
    assert pictures(archive) == [(f"{archive}/{name}", "", data) for name, data in kept.items()]
    assert [len(one.data) for one in pictures(archive, at_most=5)] == [5] * 5


def test_an_archive_that_ends_too_early_is_told_once_what_it_holds_is_there(kept, tmp_path, archive):
    whole = tmp_path / "cut.tar"
    whole.write_bytes(gzip.decompress(archive.read_bytes())[: 512 * 3])
    coming = Source(str(whole), Columns(), 10**6).pictures()
    assert next(coming).name == f"{whole}/broken.jpg"
    with pytest.raises(RequestError, match=r"cut\.tar cannot be read to its end"):
        list(coming)


def test_an_archive_of_any_length_takes_no_memory(tmp_path):
    with tarfile.open(tmp_path / "long.tar", "w") as shard:
        for number in range(3000):
            shard.addfile(tarfile.TarInfo(f"{number:090}.jpg"), io.BytesIO(b""))
    coming = Source(str(tmp_path / "long.tar"), Columns(), 10).pictures()
    next(coming)
    tracemalloc.start()
    try:
        assert sum(1 for _ in coming) == 2999
        assert tracemalloc.get_traced_memory()[1] < 2**18
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", ["bytes", "hugging face", "no names"])
def test_a_table_with_the_bytes_inside(kept, write_parquet, kind):
    names, data = list(kept), list(kept.values())
    if kind == "bytes":
        path = write_parquet("t.parquet", label=[1] * 5, name=names, content=data)
    elif kind == "hugging face":
        image = [{"bytes": one, "path": None} for one in data]
        path = write_parquet("t.parquet", image=image, key=names)
    else:
        path = write_parquet("t.parquet", image=pa.array(data, pa.large_binary()))
        names = [f"{path}#{number}" for number in range(5)]
    assert pictures(path) == [(name, "", one) for name, one in zip(names, data, strict=True)]


def test_a_table_of_paths_is_seen_from_its_own_place(kept, write_parquet, tmp_path):
    elsewhere = str(tmp_path / "photos" / "up.png")
    path = write_parquet("t.parquet", photo=["photos/down.png", elsewhere, "memory://x/y.png", None], row=list("abcd"))
    found = pictures(path, "photo", "row")
    assert [one.place for one in found] == [str(tmp_path / "photos/down.png"), elsewhere, "memory://x/y.png", ""]
    assert [(one.name, one.data) for one in found] == [("a", None), ("b", None), ("c", None), ("d", b"")]
    with (tmp_path / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["label", "path"], ["x", "photos/up.png"], ["y", elsewhere]])
    found = pictures(tmp_path / "t.csv")
    assert [(one.name, one.place) for one in found] == [("photos/up.png", elsewhere), (elsewhere, elsewhere)]


@pytest.mark.parametrize(
    ("column", "sentence"),
    [(None, "no column of bytes or paths that is known by its name; it has a, b"), ("c", "no column 'c'; it has a, b")],
)
def test_a_column_that_is_not_there_is_told(write_parquet, tmp_path, column, sentence):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    for path in (write_parquet("t.parquet", a=[1], b=[2]), tmp_path / "t.csv"):
        with pytest.raises(RequestError, match=sentence):
            pictures(path, column)


@pytest.mark.parametrize("name", ["t.parquet", "t.tar", "nothing", "t.csv"])
def test_what_cannot_be_read_is_one_sentence(tmp_path, name):
    if name != "nothing":
        (tmp_path / name).write_bytes(b"\xff\xfe nothing of the kind")
    with pytest.raises(RequestError, match=f"{name}"):
        pictures(tmp_path / name)


def test_a_store_s_pictures_are_named_by_their_addresses(kept):
    files = fsspec.filesystem("memory")
    for name, data in kept.items():
        files.pipe_file(f"/bucket/photos/{name[0]}/{name}", data)
    files.pipe_file("/bucket/photos/notes.txt", b"")
    files.pipe_file("/bucket/photos/.hidden/x.png", b"")
    files.pipe_file("/bucket/photos/z/empty.png", b"")
    try:
        found = pictures("memory://bucket/photos")
        assert [one.name.removeprefix("memory:///") for one in found] == [
            f"bucket/photos/{place}" for place in (*(f"{name[0]}/{name}" for name in kept), "z/empty.png")
        ]
        assert [read_object(one.place, 10**6) for one in found] == [*kept.values(), b""]
        assert read_object(found[0].place, 4) == b"no i"
        assert [one.name for one in pictures(found[0].name)] == [found[0].name]
        with pytest.raises(RequestError, match="there is no memory://bucket/elsewhere"):
            pictures("memory://bucket/elsewhere")
        with pytest.raises(RequestError, match="nostore://x cannot be opened"):
            pictures("nostore://x")
    finally:
        files.rm("/bucket", recursive=True)


def test_a_name_that_is_no_text_is_written_out(tmp_path):
    (tmp_path / "caf\udce9.png").write_bytes(b"")
    [found] = pictures(tmp_path)
    assert found.name == f"{tmp_path}/caf\\xe9.png"
    assert Path(found.place).read_bytes() == b""
