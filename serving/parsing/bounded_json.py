"""JSON that strangers send → Python's values, counted before one of them is made."""

from pydantic_core import from_json

from models.errors import RequestError, RequestTooLargeError
from serving.parsing.long_texts import LongTexts
from serving.parsing.off_loop import SMALL_BYTES

MAX_VALUES = 10_000
"""Values of a document; a request of 64 images in the most verbose form has under 1,000."""

# Numbers of thousands of digits, or escapes, take one call of the parser 4 to 10 ms a MiB.
_MOST_BESIDE = 8 * 1024 * 1024
_PIECE_BYTES = 1024 * 1024  # a count holds the interpreter, and others want it in between
# What a mark, an escape or a value takes, as bytes of plain text that take as long: 4 ns each.
_BYTES_A_MARK, _BYTES_AN_ESCAPE, _BYTES_A_VALUE = 256, 16, 32
_BOM = b"\xef\xbb\xbf"


def read_json(data: bytes, what: str = "the body", max_values: int = MAX_VALUES) -> object:
    """Reads one document; call it in a thread where it is large (``off_loop``).

    Args:
        data: the document.
        what: what it is, for the sentence.
        max_values: those that are allowed.

    Returns:
        Python's values; a text of 64 KiB and more may be a ``memoryview`` of its UTF-8.

    Raises:
        RequestError: it is no JSON, or is nested more than 200 deep.
        RequestTooLargeError: it may have more than ``max_values`` values. One takes 16 to 200 bytes of memory, though
            often only two of the document. Or it has more than 8 MiB beside long texts.
    """
    if count_values(data) > max_values:
        raise RequestTooLargeError(f"{what} has more than the {max_values} values that are allowed")
    texts = LongTexts(data)
    if len(texts.document) > _MOST_BESIDE:
        raise RequestTooLargeError(f"{what} has more than the {_MOST_BESIDE} bytes that are allowed beside photos")
    try:
        return texts.put_back(from_json(texts.document.removeprefix(_BOM), allow_inf_nan=False))
    except ValueError as error:
        raise RequestError(f"{what} is no JSON: {error}") from None


def work_bytes(data: bytes) -> int:
    """Of a plain text that takes as long to read as this document, for ``off_loop``."""
    if len(data) > SMALL_BYTES:
        return len(data)
    marks, escapes = data.count(b'"'), data.count(b"\\")
    return len(data) + marks * _BYTES_A_MARK + escapes * _BYTES_AN_ESCAPE + count_values(data) * _BYTES_A_VALUE


def count_values(data: bytes) -> int:
    """At least as many as the document has; commas and brackets within strings count too.

    Each value but a container's first follows a comma, and that one the container's bracket.
    """
    return 1 + sum(
        data.count(mark, start, start + _PIECE_BYTES)
        for start in range(0, len(data), _PIECE_BYTES)
        for mark in (b",", b"[", b"{")
    )
