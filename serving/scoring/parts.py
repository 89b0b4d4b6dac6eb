"""Parts: a folder of Parquet files, each there whole or not at all, so that a killed run can be gone on with."""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path
from time import monotonic

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from models.errors import OtherModelsError, RequestError
from models.whole_file import sync_folder
from serving.scoring.names import Names
from serving.scoring.parquet import SCHEMA
from serving.scoring.score import Row

_ROWS, _SECONDS = 10_000, 60  # of a part; a kill costs no more work than that
_FACTS = b"loupe"
_LOCK_NAME = ".loupe-score.lock"


@contextmanager
def open_parts(folder: Path, versions: Mapping[str, str], *, forget_failures: bool = False) -> Iterator["Parts"]:
    """Opens a folder, and makes it if it is not there; nobody else adds to it meanwhile.

    What has been added at the end is kept, however that comes.

    Args:
        folder: where the parts are.
        versions: of the models that are asked.
        forget_failures: whether pictures that failed lose their rows, and so are asked about again.

    Raises:
        OtherModelsError: it holds the answers of other models or versions.
        RequestError: it holds something else, cannot be written, or another run writes into it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = _lock(folder)
    except FileExistsError:
        raise RequestError(f"{folder} is a file, and must be a folder") from None
    except OSError as error:
        raise RequestError(f"{folder} cannot be written: {error.strerror}") from None
    try:
        for torn in folder.glob(".part-*.tmp"):
            torn.unlink()
        parts = Parts(folder, versions)
        parts.look(forget_failures=forget_failures)
        try:
            yield parts
        finally:
            parts.flush()
    finally:
        os.close(lock)


class Parts:
    """The rows in a folder that ``open_parts`` has opened.

    Attributes:
        known: names of the pictures that have their rows.
        before: how many they were when it was opened.
    """

    def __init__(self, folder: Path, versions: Mapping[str, str]) -> None:
        self.known, self.before = Names(), 0
        self._folder, self._versions = folder, dict(versions)
        self._rows: list[Row] = []
        self._number = 0
        self._since = monotonic()

    def look(self, *, forget_failures: bool) -> None:
        """Learns what there is; see ``open_parts``."""
        for part in parts_in(self._folder):
            self._refuse_others(part)
            self._number = int(part.stem.rpartition("-")[2])
            if forget_failures:
                self._forget_failures(part)
        for name in names_in(parts_in(self._folder)):
            self.known.add(name)
        self.before = len(self.known)

    def add(self, rows: Iterable[Row]) -> list[list[Row]]:
        """Takes all rows of some pictures, and returns those of each picture that had none yet."""
        pictures = [(str(name), list(of_one)) for name, of_one in groupby(rows, key=itemgetter("file"))]
        new = [of_one for name, of_one in pictures if self.known.add(name)]
        self._rows += chain.from_iterable(new)
        if len(self._rows) >= _ROWS or monotonic() - self._since > _SECONDS:
            self.flush()
        return new

    def flush(self) -> None:
        """Writes a part of what has gathered.

        Raises:
            RequestError: it cannot be written.
        """
        if self._rows:
            self._number += 1
            self._write(self._folder / f"part-{self._number:06}.parquet", pa.Table.from_pylist(self._rows, SCHEMA))
        self._rows = []
        self._since = monotonic()

    def _write(self, part: Path, table: pa.Table) -> None:
        """In one step, and only once it is on the disk."""
        waiting = part.with_name(f".{part.name}.tmp")
        facts = {_FACTS: json.dumps({"models": self._versions})}
        try:
            with waiting.open("wb") as file:
                pq.write_table(table.replace_schema_metadata(facts), file, compression="zstd")
                file.flush()
                os.fsync(file.fileno())
            waiting.replace(part)
            sync_folder(part.parent)
        except OSError as error:
            with suppress(OSError):
                waiting.unlink()
            raise RequestError(f"{part} cannot be written: {error.strerror}") from None

    def _refuse_others(self, part: Path) -> None:
        held = json.loads(_schema(part).metadata[_FACTS])["models"]
        if held != self._versions:
            told, asked = (", ".join(f"{name} {one[name]}" for name in sorted(one)) for one in (held, self._versions))
            raise OtherModelsError(
                f"{part.parent} holds the answers of {told}, and {asked} would be asked; name another folder"
            )

    def _forget_failures(self, part: Path) -> None:
        table = pq.read_table(part)
        kept = table.filter(pc.is_null(table["error"]))
        if not kept.num_rows:
            part.unlink()
        elif kept.num_rows < table.num_rows:
            self._write(part, kept)


def parts_in(folder: Path) -> list[Path]:
    """The parts that are there, oldest first."""
    return sorted(folder.glob("part-*.parquet"))


def names_in(parts: Iterable[Path]) -> Iterator[str]:
    """The names of the pictures that have rows in these parts, some more than once; a few thousand are in memory."""
    for part in parts:
        with pq.ParquetFile(part) as held:
            for batch in held.iter_batches(columns=["file"]):
                yield from batch.column(0).to_pylist()


def _schema(part: Path) -> pa.Schema:
    try:
        schema = pq.read_schema(part)
    except pa.ArrowException as error:
        raise RequestError(f"{part} cannot be gone on with: {error}") from None
    if not schema.remove_metadata().equals(SCHEMA) or _FACTS not in (schema.metadata or {}):
        raise RequestError(f"{part} holds something else than scores; name another folder")
    return schema


def _lock(folder: Path) -> int:
    """The system gives it up with the process, however that ends."""
    lock = os.open(folder / _LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise RequestError(f"another loupe score writes into {folder}") from None
    return lock
