"""Models at a store that works, that breaks off, and that is gone."""

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from models.errors import RequestError, StoreError
from models.mirror import Mirror
from models.repository import ModelRepository

ADDRESS = "breaking://bucket/models"


class BreakingStore(MemoryFileSystem):
    """A store whose connection can be cut, before or within an object; it counts what is fetched."""

    protocol = "breaking"
    store: dict = {}  # noqa: RUF012 - as in its base
    pseudo_dirs = [""]  # noqa: RUF012
    cut: str | None = None
    fetched = 0

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.replace("breaking://", "memory://"))

    def get_file(self, rpath, lpath, **options):
        type(self).fetched += 1
        if self.cut is not None and self.cut in rpath:
            Path(lpath).write_bytes(self.cat_file(rpath)[:-1])
            return
        super().get_file(rpath, lpath, **options)

    def find(self, path, **options):
        if self.cut == "":
            raise ConnectionResetError(104, "Connection reset by peer")
        return super().find(path, **options)


@pytest.fixture
def store() -> Iterator[type[BreakingStore]]:
    fsspec.register_implementation("breaking", BreakingStore, clobber=True)
    BreakingStore.store.clear()
    BreakingStore.cut, BreakingStore.fetched = None, 0
    yield BreakingStore
    BreakingStore.store.clear()


def put(path: str, data: bytes) -> None:
    BreakingStore().pipe_file(f"/bucket/models/{path}", data)


def served(folder: Path) -> dict[str, bytes]:
    repository = ModelRepository(folder)
    found = repository.list()
    return {f"{name}/{number}": repository.path(name, number).read_bytes() for name in found for number in found[name]}


@pytest.fixture
def mirror(store, tmp_path) -> Mirror:
    put("a/1/model.onnx", b"a one")
    put("a/1/MODEL_CARD.md", b"card")
    put("b/0003/model.onnx", b"b three")
    put("b/notes.txt", b"")
    put("b/4/half.txt", b"a version without a model")
    return Mirror(ADDRESS, tmp_path / "cache")


def test_what_is_new_is_fetched_and_only_that(mirror, store, tmp_path):
    mirror.pull()
    assert served(tmp_path / "cache") == {"a/1": b"a one", "b/3": b"b three"}
    assert (tmp_path / "cache/a/1/MODEL_CARD.md").read_bytes() == b"card"
    assert store.fetched == 3
    put("a/2/model.onnx", b"a two")
    mirror.pull()
    Mirror(ADDRESS, tmp_path / "cache").pull()
    assert store.fetched == 4
    store().rm("/bucket/models/b", recursive=True)
    mirror.pull()
    assert served(tmp_path / "cache") == {"a/1": b"a one", "a/2": b"a two"}
    assert store.fetched == 4
    assert len([path for path in (tmp_path / "cache/.fetched").iterdir() if path.is_dir()]) == 2


def test_names_that_would_lead_out_of_the_folder_or_are_hidden_are_passed_over(mirror, store, tmp_path):
    for path in ("../1/model.onnx", ".fetched/1/model.onnx", "c/1/.model.onnx"):
        store.store[f"/bucket/models/{path}"] = type(next(iter(store.store.values())))(
            store(), f"/bucket/models/{path}", b"no"
        )
    mirror.pull()
    assert served(tmp_path / "cache") == {"a/1": b"a one", "b/3": b"b three"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache"]


def test_an_object_that_was_replaced_is_fetched_again_with_all_of_its_version(mirror, tmp_path):
    mirror.pull()
    before = (tmp_path / "cache/a/1").resolve()
    put("a/1/model.onnx", b"another one")
    mirror.pull()
    assert served(tmp_path / "cache")["a/1"] == b"another one"
    assert (tmp_path / "cache/a/1/MODEL_CARD.md").read_bytes() == b"card"
    assert not before.exists()


@pytest.mark.parametrize("cut", ["", "a/2/", "c/1/model"])
def test_a_connection_that_breaks_off_changes_nothing(mirror, store, tmp_path, cut):
    mirror.pull()
    before = served(tmp_path / "cache")
    put("a/2/model.onnx", b"a two")
    put("c/1/model.onnx", b"c one")
    put("a/labels.json", b'{"stable": 1}')
    store.cut = cut
    came_short = r"^\w+://\S+/model.onnx came with 4 of its 5 bytes"
    with pytest.raises(StoreError, match=came_short if cut else r"Connection reset by peer"):
        mirror.pull()
    assert served(tmp_path / "cache") == before
    assert not (tmp_path / "cache/a/labels.json").exists()
    assert not list((tmp_path / "cache/.fetched").glob(".fetch-*"))
    store.cut = None
    mirror.pull()
    assert served(tmp_path / "cache") == before | {"a/2": b"a two", "c/1": b"c one"}


def test_an_empty_store_takes_nothing_away(mirror, store, tmp_path):
    mirror.pull()
    store().rm("/bucket", recursive=True)
    with pytest.raises(StoreError, match=f"there are no models at {ADDRESS}"):
        mirror.pull()
    assert len(served(tmp_path / "cache")) == 2


def test_what_a_disk_has_lost_is_fetched_again(mirror, store, tmp_path):
    mirror.pull()
    (tmp_path / "cache/a/1/model.onnx").write_bytes(b"bit rot")
    Mirror(ADDRESS, tmp_path / "cache").pull()
    assert served(tmp_path / "cache")["a/1"] == b"a one"
    (tmp_path / "cache/.fetched/state.json").write_text("{")
    Mirror(ADDRESS, tmp_path / "cache").pull()
    assert served(tmp_path / "cache")["a/1"] == b"a one"


def test_labels_travel_both_ways(mirror, tmp_path):
    mirror.pull()
    mirror.push_labels("a", b'{"stable": 1}')
    mirror.pull()
    assert (tmp_path / "cache/a/labels.json").read_bytes() == b'{"stable": 1}'
    BreakingStore().rm("/bucket/models/a/labels.json")
    mirror.pull()
    assert not (tmp_path / "cache/a/labels.json").exists()


def test_a_kind_of_store_that_nobody_knows_and_a_folder_that_cannot_be_written_are_told(mirror, tmp_path):
    with pytest.raises(RequestError, match="nostore://x cannot be opened"):
        Mirror("nostore://x", tmp_path / "cache").pull()
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be fetched into"):
        Mirror(ADDRESS, tmp_path / "file" / "cache").pull()
