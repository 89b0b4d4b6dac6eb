"""Parquet files of scores; needs the extra ``parquet``."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from models.errors import RequestError
from serving.commands.score import COLUMNS

_TYPES = {"probability": pa.float64(), "certain": pa.bool_()}
_SCHEMA = pa.schema([(name, _TYPES.get(name, pa.string())) for name in COLUMNS])
_BATCH_ROWS = 10_000


def files(path: Path) -> set[str]:
    """The files whose scores it holds; none where it is not there.

    Raises:
        RequestError: it holds something else.
    """
    if not path.exists():
        return set()
    try:
        with pq.ParquetFile(path) as held:
            if held.schema_arrow.names != list(COLUMNS):
                raise RequestError(f"{path} holds something else than scores; name another --output")
            batches = held.iter_batches(columns=["file"])
            return {name for batch in batches for name in batch.column("file").to_pylist()}
    except pa.ArrowException as error:
        raise RequestError(f"{path} cannot be gone on with: {error}") from None


def merge(gathered: Path, path: Path) -> None:
    """Writes a new file of what it holds and what has gathered in lines, and puts it in its place in one step."""
    held, waiting = files(path), path.with_name(f".{path.name}.tmp")
    with pq.ParquetWriter(waiting, _SCHEMA) as writer:
        if path.exists():
            with pq.ParquetFile(path) as old:
                for batch in old.iter_batches(_BATCH_ROWS):
                    writer.write_batch(batch)
        for rows in _batches(gathered):
            # A process that was killed between the last two steps has these in both.
            new = [row for row in rows if row["file"] not in held]
            writer.write_table(pa.Table.from_pylist(new, _SCHEMA))
    waiting.replace(path)


def _batches(gathered: Path) -> Iterator[list[dict[str, object]]]:
    with gathered.open(encoding="utf-8") as lines:
        while batch := [json.loads(line) for line in islice(lines, _BATCH_ROWS)]:
            yield batch
