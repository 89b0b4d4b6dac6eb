"""Long lists of whole numbers in JSON → bytes, in pieces.

As Python's objects they take eight times their text, nested ones thirty times, and while one call makes them nobody
else has the interpreter: a request of 64 images of 176 x 176 pixels has six million numbers.
"""

import re
from collections.abc import Iterator
from secrets import token_hex

from pydantic_core import from_json

from models.errors import RequestError, RequestTooLargeError

_BEGIN = re.compile(rb'"data"\s*:\s*(?=\[)')
_RUN = re.compile(rb"[\[\]\d,\s]*")
_PIECE_BYTES = 256 * 1024
_LONG_BYTES = 4096
_MOST_LISTS = 1000  # that are looked at; a call has one
_DEEPEST = 8
_BRACKETS = bytes.maketrans(b"[]", b"  ")
_ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]"))


class Cut:
    """A document without the long lists that its ``data`` were.

    Attributes:
        document: JSON, with a text of ours in the place of each.
    """

    def __init__(self, document: bytes, max_values: int) -> None:
        """Cuts.

        Raises:
            RequestTooLargeError: the lists have more than ``max_values`` numbers.
        """
        self._token = token_hex(8)
        self._lists: list[bytes] = []
        kept, done = [], 0
        for start, end in _long_lists(document):
            if max(document.count(mark, start, end) for mark in (b",", b"[")) > max_values:
                raise RequestTooLargeError(f"the JSON body has more values than the {max_values} that are allowed")
            if not _is_closed(document, start, end):
                continue
            kept += [document[done:start], f'"{self._token}{len(self._lists)}"'.encode()]
            self._lists.append(document[start:end])
            done = end
        self.document = b"".join([*kept, document[done:]])

    def numbers(self, value: object) -> bytes | None:
        """What stood in the place of this value, a byte for each number; None: it is no text of ours.

        Raises:
            RequestError: not all are whole numbers from 0 to 255.
        """
        if not (isinstance(value, str) and value.startswith(self._token)):
            return None
        numbers = self._lists[int(value.removeprefix(self._token))]
        try:
            return b"".join(bytes(from_json(b"[" + piece.translate(_BRACKETS) + b"]")) for piece in _pieces(numbers))
        except ValueError:
            raise RequestError("the UINT8 tensor's data are not whole numbers from 0 to 255") from None


def _long_lists(document: bytes) -> Iterator[tuple[int, int]]:
    """Where those begin and end that hold nothing but digits, and other such lists."""
    done = 0
    for _ in range(_MOST_LISTS):
        if (begin := _BEGIN.search(document, done)) is None:
            return
        done = end = _end_of_run(document, begin.end())
        end = document.rfind(b"]", begin.end(), end) + 1
        if end - begin.end() >= _LONG_BYTES:
            yield begin.end(), end


def _end_of_run(document: bytes, start: int) -> int:
    while (run := _RUN.match(document, start, start + _PIECE_BYTES)) and run.end() > start:
        start = run.end()
    return start


def _is_closed(document: bytes, start: int, end: int) -> bool:
    """Whether it is one list, each bracket of which has its other; not more deeply nested than any tensor is."""
    pieces = range(start, end, _PIECE_BYTES)
    brackets = b"".join(document[at : min(end, at + _PIECE_BYTES)].translate(None, _ALL_BUT_BRACKETS) for at in pieces)
    for _ in range(_DEEPEST):
        if brackets == b"[]":
            return True
        brackets = brackets.replace(b"[]", b"")
    return False


def _pieces(numbers: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(numbers):
        end = numbers.find(b",", start + _PIECE_BYTES)
        end = len(numbers) if end < 0 else end
        yield numbers[start:end]
        start = end + 1
