"""Pictures in a table: Parquet with the bytes inside or a list of paths, or CSV with such a list."""

import csv
import posixpath
from collections.abc import Iterator, Sequence
from io import TextIOWrapper
from typing import Any, NamedTuple

from models.errors import RequestError
from models.extras import how_to_install
from models.store import is_address, opened
from serving.scoring.picture import Picture

NAMED = ("file", "path", "image_path", "file_name", "filename", "name", "url", "uri", "key", "__key__", "id")
"""Columns that are taken for names or paths, the first of them that is there."""

_BYTES_AT_ONCE, _PATHS_AT_ONCE = 16, 4096  # rows in memory
_BUFFER = 1024 * 1024


class Columns(NamedTuple):
    """Which columns of a table are meant; None: they are found by their types and names.

    Attributes:
        picture: the bytes, or paths and addresses.
        name: what rows are named by.
    """

    picture: str | None = None
    name: str | None = None


def pictures_in_csv(place: str, columns: Columns) -> Iterator[Picture]:
    """One for each line of a CSV file with a header; paths are as seen from the file's own place.

    Raises:
        RequestError: it has no such column, or is no text.
    """
    with opened(place) as file, TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
        reader = csv.DictReader(text)
        fields = list(reader.fieldnames or ())
        paths = _one_of(place, fields, columns.picture)
        names = _one_of(place, fields, columns.name or paths)
        try:
            for row in reader:
                yield _listed(place, row[names] or "", row[paths] or "")
        except csv.Error as error:
            raise RequestError(f"{place}, line {reader.line_num}, cannot be read: {error}") from None


def pictures_in_parquet(place: str, columns: Columns) -> Iterator[Picture]:
    """One for each row of a Parquet file; a few rows are in memory.

    Raises:
        RequestError: it has no such column, or is no Parquet; or the extra ``parquet`` is not installed.
    """
    try:
        import pyarrow as pa  # type: ignore[import-untyped]
        import pyarrow.parquet as pq  # type: ignore[import-untyped]
    except ModuleNotFoundError:
        said = f"{place} needs the extra `parquet`, which is not installed: {how_to_install('parquet')}"
        raise RequestError(said) from None
    with opened(place) as file:
        try:
            with pq.ParquetFile(file, buffer_size=_BUFFER, pre_buffer=False) as table:
                yield from _rows(place, table, columns)
        except pa.ArrowException as error:
            raise RequestError(f"{place} cannot be read: {error}") from None


def _rows(place: str, table: Any, columns: Columns) -> Iterator[Picture]:  # noqa: ANN401 - pyarrow has no types
    fields = {field.name: field.type for field in table.schema_arrow}
    holding = [name for name, kind in fields.items() if _holds_bytes(kind)]
    if columns.picture in holding or (columns.picture is None and holding):
        picture = columns.picture or holding[0]
        name = columns.name or next((one for one in NAMED if one in fields and one != picture), None)
        at_once = _BYTES_AT_ONCE
    else:
        picture = _one_of(place, list(fields), columns.picture)
        name, at_once = columns.name or picture, _PATHS_AT_ONCE
    name = None if name is None else _one_of(place, list(fields), name)
    number = 0
    for batch in table.iter_batches(at_once, columns=list({picture, name} - {None})):
        for row in batch.to_pylist():
            yield _of_row(place, row[picture], None if name is None else row[name], number)
            number += 1


def _of_row(place: str, value: object, name: object, number: int) -> Picture:
    """A row's; Hugging Face's images are ``{"bytes": …, "path": …}``, of which either may be missing."""
    data, path = (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (value, value)
    told = str(name) if name is not None else f"{place}#{number}"
    if isinstance(data, bytes):
        return Picture(told, "", data)
    return _listed(place, told, str(path or ""))


def _listed(place: str, name: str, path: str) -> Picture:
    if not path:
        return Picture(name, "", b"")
    return Picture(name, path if is_address(path) else posixpath.join(posixpath.dirname(place), path))


def _holds_bytes(kind: Any) -> bool:  # noqa: ANN401 - pyarrow has no types
    text = str(kind)
    return text in ("binary", "large_binary", "binary_view") or text.startswith("struct<bytes: ")


def _one_of(place: str, fields: Sequence[str], wanted: str | None) -> str:
    found = [name for name in ([wanted] if wanted else NAMED) if name in fields]
    if not found:
        said = f"no column {wanted!r}" if wanted else "no column of bytes or paths that is known by its name"
        raise RequestError(f"{place} has {said}; it has {', '.join(fields) or 'none'}; --column names one")
    return found[0]
