"""Base64 as people really send it → bytes."""

import re
from binascii import a2b_base64

from models.errors import RequestError

EXAMPLE = '{"instances": [{"b64": "/9j/4AAQ…"}]}'
"""One photo, as the documentation shows it."""

_PIECE_CHARACTERS = 256 * 1024  # under a millisecond in which nobody else has the interpreter; a multiple of 4
_HEAD = 300  # characters, that tell an address, a file's name or a data: URL
_ONE_ALPHABET = bytes.maketrans(b"-_", b"+/")
_WHITE_SPACE = b" \t\r\n\v\f"
_DATA_URL = re.compile(r"\s*data:[^,]{0,200},")
_ADDRESS = re.compile(r"\s*(?:https?|ftps?|file|blob|s3|gs)://?", re.IGNORECASE)
_FILE_NAME = re.compile(r"[^\n]{1,250}\.(?:jpe?g|png|webp|gif|bmp|tiff?|heic|heif|avif|mpo)\s*", re.IGNORECASE)


Text = str | memoryview
"""As ``read_json`` gives it: a long one is its bytes."""


def read_base64(text: Text, place: str) -> bytes:
    """Decodes white space, the URL-safe alphabet, missing padding and ``data:`` URLs as well.

    In pieces, so that in a thread it leaves the interpreter to others.

    Args:
        text: what was sent.
        place: where, such as ``instances[0].b64``; for the sentence.

    Raises:
        RequestError: it is not base64.
    """
    head = text[:_HEAD] if isinstance(text, str) else bytes(text[:_HEAD]).decode(errors="replace")
    refuse_address(head, place)
    start = _after_data_url(head, place)
    try:
        return _decode(text, start)
    except ValueError:
        raise _not_base64(head, place) from None


def refuse_address(text: str, place: str) -> None:
    """Raises RequestError where the text is an address instead of a photo."""
    if _ADDRESS.match(text):
        raise RequestError(
            f"{place} is an address, and Loupe fetches none; send the photo itself: its bytes as the body "
            f"(curl --data-binary @photo.jpg), a form (curl --form image=@photo.jpg) or base64, such as {EXAMPLE}"
        )


def is_file_name(text: str) -> bool:
    """Whether somebody sent a file's name in place of the file."""
    return _FILE_NAME.fullmatch(text) is not None


def _after_data_url(text: str, place: str) -> int:
    head = _DATA_URL.match(text)
    if head is None:
        return 0
    if not head.group().rstrip(",").lower().endswith(";base64"):
        raise RequestError(f"{place} is a data: URL without base64; allowed is `data:image/jpeg;base64,…`")
    return head.end()


def _decode(text: Text, start: int) -> bytes:
    decoded, rest = [], b""
    for position in range(start, len(text), _PIECE_CHARACTERS):
        piece = rest + _ascii(text[position : position + _PIECE_CHARACTERS]).translate(_ONE_ALPHABET, _WHITE_SPACE)
        whole = max(0, len(piece) - 4) & ~3  # the last group waits, as padding may follow it
        if piece.find(b"=", 0, whole) >= 0:
            raise ValueError("padding in the middle")
        decoded.append(a2b_base64(piece[:whole], strict_mode=True))
        rest = piece[whole:]
    digits = rest.rstrip(b"=")
    if len(rest) - len(digits) > 2 or (rest and not digits):
        raise ValueError("too much padding")
    decoded.append(a2b_base64(digits + b"=" * (-len(digits) % 4), strict_mode=True))
    return b"".join(decoded)


def _ascii(piece: Text) -> bytes:
    """Raises ValueError where it is none; of bytes, what follows does."""
    return piece.encode("ascii") if isinstance(piece, str) else bytes(piece)


def _not_base64(text: str, place: str) -> RequestError:
    if is_file_name(text):
        return RequestError(f"{place} is the name of a file; wanted is the file itself as base64, such as {EXAMPLE}")
    return RequestError(f"{place} is not base64; wanted is a photo such as {EXAMPLE}")
