"""Bodies that hold no image, or half of one, known by their first bytes: what they are, and what to send instead."""

import re
from contextlib import suppress

from models.errors import RequestError, UndecodableImageError, UnsupportedImageError
from models.images import starts_as_image
from serving.parsing.base64_text import read_base64, refuse_address

_HEAD_BYTES = 256
_PRINTABLE = frozenset(range(32, 127)) | frozenset(b"\t\r\n")
_CURL = "curl --data-binary @photo.jpg"
_FIELD = re.compile(r"[\w.\[\]-]{1,50}=")
_BINARY_PNG_START = b"\x89PNG\x1a"  # without its line ends
_JPEG_START = b"\xff\xd8\xff"


def refuse_text(data: bytes, content_type: str) -> None:
    """Says what a body is that is text, or a PDF, instead of an image; other bodies are the decoder's to judge.

    Raises:
        UnsupportedImageError: it is; the sentence says of which kind.
    """
    head = data[:_HEAD_BYTES]
    if _is_form(head):
        raise UnsupportedImageError(
            "the body is a form whose Content-Type is not multipart/form-data; leave that header to your client"
        )
    if head.startswith(b"%PDF-"):
        raise UnsupportedImageError(f"the body is a PDF, not a photo; send its pages as photos: {_CURL}")
    if head and _PRINTABLE.issuperset(head):
        raise UnsupportedImageError(f"the body is {_kind(head.decode(), data, content_type)}")


def refuse_lost_bytes(data: bytes) -> None:
    """Every JPEG and PNG has zeros and most have line ends; ``curl --data`` takes both out of a file.

    Raises:
        UndecodableImageError: the body has neither.
    """
    lost = data.startswith(_BINARY_PNG_START) or (data.startswith(_JPEG_START) and b"\0" not in data)
    if lost and b"\n" not in data:
        raise UndecodableImageError(
            f"the image has lost its line ends and zeros on the way, as with curl --data; send it with {_CURL}"
        )


def _kind(text: str, data: bytes, content_type: str) -> str:
    try:
        refuse_address(text, "the body")
    except RequestError:
        return f"an address, and Loupe fetches none; send the photo itself: {_CURL}"
    if text.lstrip().startswith("<"):
        return f"a page (HTML or XML), not a photo; send the photo itself: {_CURL}"
    if (field := _FIELD.match(text)) and "form-urlencoded" in content_type:
        return f"a form's text ({field.group()}…); send a file, curl --form image=@photo.jpg, or it alone, {_CURL}"
    if _is_base64_image(data):
        return f'base64 text; send it as JSON, {{"image": "…"}}, or the photo itself: {_CURL}'
    return f"text, not a photo; send the photo itself: {_CURL}"


def _is_form(head: bytes) -> bool:
    return head.startswith(b"--") and b"content-disposition:" in head.lower()


def _is_base64_image(data: bytes) -> bool:
    """By its first bytes, wherever the head cuts through a group of four."""
    for cut in range(4):
        with suppress(RequestError):
            if starts_as_image(read_base64(data[: _HEAD_BYTES - cut].decode(), "it")):
                return True
    return False
