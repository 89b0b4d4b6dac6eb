"""Texts that people write by hand or in a spreadsheet, for us to read."""

from pathlib import Path

from models.errors import TrainingError


def read_text(path: Path) -> str:
    """A file's text, without the byte order mark that spreadsheets and some editors put first.

    Raises:
        TrainingError: its bytes are no UTF-8.
        OSError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise TrainingError(
            f"{path} is not UTF-8: its byte {error.start + 1} is {error.object[error.start]:#04x}; save it as UTF-8"
        ) from None


def is_text(value: str) -> bool:
    """Whether a name can be written as UTF-8; those of files on Linux need not be."""
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)
