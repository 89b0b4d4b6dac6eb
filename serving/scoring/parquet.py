"""Parquet files of scores; needs the extra ``parquet``."""

import json
import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from models.errors import RequestError
from serving.scoring.lines import ROWS, Entry, Told
from serving.scoring.score import COLUMNS

_TYPES = {"probability": pa.float64(), "certain": pa.bool_()}
SCHEMA = pa.schema([(name, _TYPES.get(name, pa.string())) for name in COLUMNS])
"""Of a row."""

_BATCH_ROWS = 10_000


def entries(path: Path) -> Iterator[Entry]:
    """What its rows tell; nothing where it is not there.

    Raises:
        RequestError: it holds something else.
    """
    if not path.exists():
        return
    try:
        with pq.ParquetFile(path) as held:
            if held.schema_arrow.names != list(COLUMNS):
                raise RequestError(f"{path} holds something else than scores; name another --output")
            for batch in held.iter_batches(columns=["file", "model", "error"]):
                for row in batch.to_pylist():
                    yield Entry(row["file"], frozenset(filter(None, [row["model"]])), row["error"] is not None)
    except pa.ArrowException as error:
        raise RequestError(f"{path} cannot be gone on with: {error}") from None


def merge(gathered: Path, path: Path) -> None:
    """Writes a new file of what it holds and what has gathered in lines, and puts it in its place in one step.

    Failures of files that were asked about again are left out. A process that was killed between the last two steps
    has answers in both: those count once.
    """
    held, new = Told.by(entries(path)), Told.by(ROWS.entries(gathered))
    waiting = path.with_name(f".{path.name}.tmp")
    with pq.ParquetWriter(waiting, SCHEMA) as writer:
        for rows in _held(path):
            kept = [row for row in rows if row["error"] is None or not new.holds(str(row["file"]))]
            writer.write_table(pa.Table.from_pylist(kept, SCHEMA))
        for rows in _gathered(gathered):
            added = [row for row in rows if row["file"] not in held.answered]
            writer.write_table(pa.Table.from_pylist(added, SCHEMA))
    if path.exists():
        shutil.copymode(path, waiting)
    waiting.replace(path)


def _held(path: Path) -> Iterator[list[dict[str, object]]]:
    if path.exists():
        with pq.ParquetFile(path) as old:
            for batch in old.iter_batches(_BATCH_ROWS):
                yield batch.to_pylist()


def _gathered(path: Path) -> Iterator[list[dict[str, object]]]:
    with path.open(encoding="utf-8") as lines:
        while batch := [json.loads(line) for line in islice(lines, _BATCH_ROWS)]:
            yield batch
