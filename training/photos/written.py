"""Texts that people write by hand or in a spreadsheet, for us to read."""

import csv
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

from models.errors import TrainingError


def read_table(path: Path, *, names_as_bytes: bool = False) -> tuple[Sequence[str], list[tuple[int, dict[str, str]]]]:
    """A CSV file: its columns, and of each row the line that it ends in and its values; None where it is cut off.

    Args:
        path: of the file.
        names_as_bytes: bytes that are no UTF-8 are kept, as Python does in the names of files.

    Raises:
        TrainingError: its bytes are no UTF-8, or a quotation mark is left open, which would swallow rows.
        OSError: it cannot be read.
    """
    text = read_text(path, errors="surrogateescape" if names_as_bytes else "strict")
    rows = csv.DictReader(StringIO(text, newline=""), strict=True)
    try:
        return rows.fieldnames or (), [(rows.line_num, row) for row in rows]
    except csv.Error as error:
        raise TrainingError(f"{path}, line {rows.line_num + 1}: {error}; are its quotation marks in pairs?") from None


def read_text(path: Path, errors: str = "strict") -> str:
    """A file's text, without the byte order mark that spreadsheets and some editors put first; line ends as they are.

    Raises:
        TrainingError: its bytes are no UTF-8.
        OSError: it cannot be read.
    """
    try:
        return path.read_bytes().decode("utf-8-sig", errors)
    except UnicodeDecodeError as error:
        raise TrainingError(
            f"{path} is not UTF-8: its byte {error.start + 1} is {error.object[error.start]:#04x}; save it as UTF-8"
        ) from None


def is_text(value: str) -> bool:
    """Whether a name can be written as UTF-8; those of files on Linux need not be."""
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)
