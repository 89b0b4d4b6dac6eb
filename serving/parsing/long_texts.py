"""Long texts in JSON, which photos in base64 are: kept out of the parser, and left as the bytes that they are.

One call of a parser makes a text of 32 MiB in 40 ms, in which nobody else has the interpreter. Here it is looked
through in pieces, and not copied.
"""

from collections.abc import Iterator
from secrets import token_hex

_LONG_BYTES = 16 * 1024
_PIECE_BYTES = 256 * 1024
_MOST_MARKS = 20_000  # quotation marks that are looked at; what has more is no photo, or no JSON
_RUN_BYTES = 64  # looked at first, as runs of backslashes are short
# PHP writes `\/`, .NET `\u002B`, Gson `\u003d`; others break lines.
_ESCAPES = {b"/": b"/", b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_ESCAPES |= {b"u002B": b"+", b"u002b": b"+", b"u003D": b"=", b"u003d": b"="}
_LONGEST_ESCAPE = 6


class LongTexts:
    """A document without its long texts.

    Attributes:
        document: JSON, with a short text of ours in the place of each.
    """

    def __init__(self, document: bytes) -> None:
        """Cuts them out: those without escapes, or with no others than of base64's signs and white space."""
        self._token = token_hex(8)
        self._texts: list[memoryview] = []
        kept, done = list[bytes](), 0
        for start, end in _long(document):
            if (text := _unescaped(document, start, end)) is None:
                continue
            kept += [document[done:start], f"{self._token}{len(self._texts)}".encode()]
            self._texts.append(text)
            done = end
        self.document = b"".join([*kept, document[done:]]) if kept else document

    def put_back(self, value: object) -> object:
        """What was parsed, with a ``memoryview`` of a text's bytes where ours stands; names of members stay as it."""
        if not self._texts:
            return value
        if isinstance(value, dict):
            return {name: self.put_back(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self.put_back(one) for one in value]
        if isinstance(value, str) and value.startswith(self._token):
            return self._texts[int(value.removeprefix(self._token))]
        return value


def _long(document: bytes) -> Iterator[tuple[int, int]]:
    """Where long texts begin and end, between their quotation marks."""
    marks = _marks(document)
    for start, end in zip(marks, marks, strict=False):
        if end - start > _LONG_BYTES and document[end + 1 : end + 17].lstrip()[:1] != b":":
            yield start + 1, end


def _marks(document: bytes) -> Iterator[int]:
    """Where texts begin and end; marks within them, behind a backslash, are looked at too, and all are few."""
    at = -1
    for _ in range(_MOST_MARKS):
        if (at := _find(document, b'"', at + 1)) < 0:
            return
        if _backslashes(document, 0, at) % 2 == 0:
            yield at


def _find(document: bytes, mark: bytes, start: int, end: int | None = None) -> int:
    end = len(document) if end is None else end
    for at in range(start, end, _PIECE_BYTES):
        if (found := document.find(mark, at, min(end, at + _PIECE_BYTES))) >= 0:
            return found
    return -1


def _backslashes(document: bytes, start: int, end: int) -> int:
    """How many stand right before ``end``."""
    first, size = end, _RUN_BYTES
    while first > start and document[first - 1] == ord("\\"):
        at = max(start, first - size)
        first = at + len(document[at:first].rstrip(b"\\"))
        size = min(2 * size, _PIECE_BYTES)
    return end - first


def _unescaped(document: bytes, start: int, end: int) -> memoryview | None:
    """The text's bytes; None: it has escapes that base64 has no use for."""
    if _find(document, b"\\", start, end) < 0:
        return memoryview(document)[start:end]
    pieces = list[bytes]()
    at = start
    while at < end:
        stop = _between_escapes(document, at, min(end, at + _PIECE_BYTES))
        piece = document[at:stop]
        for letter, meant in _ESCAPES.items():
            piece = piece.replace(b"\\" + letter, meant)
        if b"\\" in piece:
            return None
        pieces.append(piece)
        at = stop
    return memoryview(b"".join(pieces))


def _between_escapes(document: bytes, at: int, stop: int) -> int:
    """Where a piece may end, as an escape stays whole."""
    last = document.rfind(b"\\", max(at, stop - _LONGEST_ESCAPE + 1), stop)
    first = last + 1 - _backslashes(document, at, last + 1)
    return first if last >= 0 and first > at else stop
