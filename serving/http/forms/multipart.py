"""A multipart form → the images and texts in it, parsed as it arrives and refused at the first part too many.

Source: RFC 7578.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from models.errors import RequestError, RequestTooLargeError
from models.images import starts_as_image
from models.limits import ImageLimits
from serving.parsing.base64_text import is_file_name

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

PART = "image"
"""The name of the file parts in the documentation; any other is as good."""

_MAX_TEXTS = 32
_SPARE_MARKS = 1000  # boundaries that may stand where they end no part, by chance or malice; each takes 2 us
_MOST_OPTIONS = 32  # of a header; a form's has three, and a file's name may have semicolons
_LONGEST_TEXT = 1000  # of a text that may be a parameter
_FILE_EXAMPLE = f"curl --form {PART}=@photo.jpg"


@dataclass
class Form:
    """Images in their order, and the short texts beside them by name."""

    images: list[bytes] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)


@dataclass
class _Part:
    headers: dict[bytes, bytes] = field(default_factory=dict)
    name: str = ""
    file: bytes | None = None
    data: bytearray = field(default_factory=bytearray)


async def read_multipart(content_type: str, chunks: AsyncIterator[bytes], max_images: int, limits: ImageLimits) -> Form:
    """Reads a form. Every file in it is an image, and so is a part without a file's name that begins as one.

    python-multipart allows each part 8 headers of 4 KiB.

    Args:
        content_type: the header, which names the boundary.
        chunks: the body, bounded by whoever reads it.
        max_images: images that are allowed.
        limits: no part is read further that has more bytes than an image may have.

    Raises:
        ImageTooLargeError: a part has more bytes.
        RequestError: the form is malformed, or holds texts but no image.
        RequestTooLargeError: it has more images, more than 32 texts, or more parts than both.
    """
    options = _options(content_type.encode("latin-1", "replace"), "Content-Type")
    if not (boundary := options.get(b"boundary")):
        raise RequestError(
            "the Content-Type is multipart/form-data without a boundary; leave that header to your client, which "
            f"writes it with the form ({_FILE_EXAMPLE}), or send the photo alone as image/jpeg"
        )
    reading = _Reading(max_images, limits, _charset(options.get(b"charset", b"utf-8")))
    try:
        parser, mark = MultipartParser(boundary, reading.callbacks), b"\r\n--" + boundary
        async for chunk in chunks:
            reading.refuse_marks(chunk.count(mark))
            parser.write(chunk)
        parser.finalize()
    except FormParserError as error:
        raise RequestError(f"the multipart body is malformed: {error}") from None
    if not reading.ended:
        raise RequestError("the multipart body is malformed: its closing boundary is missing")
    if not reading.form.images:
        _refuse_texts(reading.form.texts)
    return reading.form


class _Reading:
    """What python-multipart tells, gathered; all in memory, as photos of others belong on no disk.

    Attributes:
        form: what is complete of it.
        ended: whether the closing boundary came.
    """

    def __init__(self, max_images: int, limits: ImageLimits, charset: str) -> None:
        self.form = Form()
        self.ended = False
        self._max_images = max_images
        self._max_parts = max_images + _MAX_TEXTS
        self._parts = self._marks = 0
        self._limits = limits
        self._charset = charset
        self._texts = 0
        self._part = _Part()
        self._header = [b"", b""]

    @property
    def callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._on_part_begin,
            "on_header_field": lambda data, start, end: self._add_to_header(0, data[start:end]),
            "on_header_value": lambda data, start, end: self._add_to_header(1, data[start:end]),
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_part_data,
            "on_part_end": self._on_part_end,
            "on_end": self._on_end,
        }

    def _on_part_begin(self) -> None:
        """Files that nobody chose are parts too, and no images."""
        self._part = _Part()
        self._parts += 1
        if self._parts > self._max_parts:
            raise self._too_many()

    def _add_to_header(self, which: int, data: bytes) -> None:
        self._header[which] += data

    def _on_header_end(self) -> None:
        name, value = self._header
        self._part.headers[name.lower()] = value
        self._header = [b"", b""]

    def _on_headers_finished(self) -> None:
        options = _options(self._part.headers.get(b"content-disposition", b""), "Content-Disposition")
        self._part.name = options.get(b"name", b"").decode(self._charset, "replace")
        self._part.file = options.get(b"filename")
        if self._part.file is not None:
            self._refuse_more()

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._limits.refuse_bytes(len(self._part.data) + end - start)
        self._part.data.extend(memoryview(data)[start:end])

    def _on_part_end(self) -> None:
        part, data = self._part, bytes(self._part.data)
        self._part = _Part()
        if part.file is not None:
            if data or part.file:  # else a field of a page's form that nobody filled in
                self.form.images.append(data)
        elif starts_as_image(data):
            self._refuse_more()
            self.form.images.append(data)
        else:
            self._add_text(part.name, data)

    def _on_end(self) -> None:
        self.ended = True

    def _add_text(self, name: str, data: bytes) -> None:
        self._texts += 1
        if self._texts > _MAX_TEXTS:
            raise RequestTooLargeError(f"the form has more than the {_MAX_TEXTS} text parts that are allowed")
        self.form.texts[name] = data[:_LONGEST_TEXT].decode(self._charset, "replace")

    def refuse_marks(self, more: int) -> None:
        """Counts boundaries before they are read, wherever they stand.

        Raises:
            RequestTooLargeError: there are more than all parts can have.
        """
        self._marks += more
        if self._marks > self._max_parts + _SPARE_MARKS:
            raise self._too_many()

    def _too_many(self) -> RequestTooLargeError:
        return RequestTooLargeError(f"the form has more than the {self._max_parts} parts that are allowed")

    def _refuse_more(self) -> None:
        if len(self.form.images) >= self._max_images:
            raise RequestTooLargeError(f"the request has more than the {self._max_images} images that are allowed")


def _options(header: bytes, name: str) -> dict[bytes, bytes]:
    """What stands behind a header's value; at each semicolon its parser counts the quotation marks before it."""
    if header.count(b";") > _MOST_OPTIONS:
        raise RequestError(f"the form's {name} has more than the {_MOST_OPTIONS} parameters that are allowed")
    return parse_options_header(header)[1]


def _charset(name: bytes) -> str:
    """That of the texts; a part's own means nothing, as files have none."""
    charset = name.decode("latin-1")
    try:
        b"x\xff".decode(charset, "replace")  # which punycode cannot
    except (LookupError, ValueError):
        raise RequestError(f"the form's charset {charset[:50]!r} is unknown; leave it out, or say utf-8") from None
    return charset


def _refuse_texts(texts: dict[str, str]) -> None:
    """A form without an image, in the commonest ways to make one."""
    for name, text in texts.items():
        if is_file_name(text):
            raise RequestError(
                f"the part {name[:50]!r} holds the name of a file instead of the file; curl wants an @ before it: "
                f"{_FILE_EXAMPLE}"
            )
    if texts:
        names = ", ".join(repr(name[:50]) for name in list(texts)[:5])
        raise RequestError(f"the form holds no image; its parts {names} are text, not files; curl: {_FILE_EXAMPLE}")
