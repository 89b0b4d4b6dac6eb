"""Tables, archives and a store of pictures."""

import io
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest


@pytest.fixture
def kept(zoo, tmp_path) -> dict[str, bytes]:
    """Five pictures by their names, of which one is broken, in a folder ``photos``."""
    pictures = {f"{side}.png": zoo.png(side) for side in ("down", "left", "right", "up")} | {"broken.jpg": b"no image"}
    (tmp_path / "photos").mkdir()
    for name, data in pictures.items():
        (tmp_path / "photos" / name).write_bytes(data)
    return dict(sorted(pictures.items()))


@pytest.fixture
def archive(kept, tmp_path) -> Path:
    """A shard of a WebDataset, with a label beside each picture."""
    path = tmp_path / "shard.tar.gz"
    with tarfile.open(path, "w:gz") as shard:
        for name, data in kept.items():
            for member, content in ((name, data), (f"{name}.cls", b"1"), (f"._{name}", b"resource fork")):
                facts = tarfile.TarInfo(member)
                facts.size = len(content)
                shard.addfile(facts, io.BytesIO(content))
    return path


@pytest.fixture
def write_parquet(tmp_path):
    def write(file: str, /, **columns: object) -> Path:
        pq.write_table(pa.table(columns), tmp_path / file, row_group_size=2)
        return tmp_path / file

    return write
