"""A predict body, in whichever form it comes → the encoded images and the parameters in it."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from fastapi import Request

from models.errors import RequestError, RequestTimeoutError
from models.images import starts_as_image
from models.limits import ImageLimits
from serving.engine.interruption import within
from serving.http.forms.document import is_document, read_document
from serving.http.forms.multipart import read_multipart
from serving.http.forms.strangers import refuse_lost_bytes, refuse_text
from serving.http.routes.stream import Incoming, chunks
from serving.http.schemas import Key
from serving.parsing.bounded_json import work_bytes
from serving.parsing.off_loop import joined, off_loop
from serving.settings import Settings

_HEAD_BYTES = 256  # that tell what a body is

NO_IMAGE = (
    "the request holds no image; send one as the body (curl --data-binary @photo.jpg), in a form "
    "(curl --form image=@photo.jpg) or as base64 in JSON"
)


@dataclass(slots=True)
class Body:
    """Encoded images, and how they came.

    Attributes:
        images: encoded photos.
        form: the answer has the same.
        keys: what is to come back beside each image's row; None: nothing.
        parameters: those that the body names, not yet checked.
    """

    images: Sequence[bytes]
    form: Literal["plain", "rows", "columns"] = "plain"
    keys: Sequence[Key] | None = None
    parameters: Mapping[str, object] = field(default_factory=dict)


async def read_body(
    request: Request | Incoming, settings: Settings, take: Callable[[int], None], known: Collection[str] = ()
) -> Body:
    """Reads the images of a predict request, and no more bytes than are allowed.

    Args:
        request: its body is one image, a multipart form, or JSON; the first bytes decide, not what its type says.
        settings: the limits.
        take: told of every chunk before the next is read; raises QueueFullError if there is no room for it.
        known: names of parameters that a form's text parts may give; others are passed over.

    Raises:
        ImageTooLargeError: it is no document, and larger than one image may be; it is not read further.
        RequestError: the body is malformed or holds no image.
        RequestTooLargeError: it has more than ``max_request_bytes``, or more images than are allowed.
        RequestTimeoutError: it has not arrived within ``request_timeout_s``.
        UnsupportedImageError: it is something else that is known by its first bytes.
    """
    try:
        with within(settings.request_timeout_s):
            body = await _read(request, chunks(request, settings, take), settings, known)
    except TimeoutError:
        raise RequestTimeoutError(f"the body did not arrive within {settings.request_timeout_s:g} s") from None
    if not body.images:
        raise RequestError(NO_IMAGE)
    return body


async def _read(
    request: Request | Incoming, stream: AsyncIterator[bytes], settings: Settings, known: Collection[str]
) -> Body:
    content_type = request.headers.get("content-type", "")
    if content_type.strip().lower().startswith("multipart/form-data"):
        form = await read_multipart(content_type, stream, settings.max_request_images, settings.image_limits)
        return Body(form.images, parameters={name: text for name, text in form.texts.items() if name in known})
    data = await _whole(stream, content_type, settings.image_limits)
    if is_document(data):
        document = await off_loop(lambda: read_document(data, settings.max_request_images), work_bytes(data))
        return Body(document.images, document.form, document.keys, document.parameters)
    if not starts_as_image(data):
        refuse_text(data, content_type)
    refuse_lost_bytes(data)
    return Body([data] if data else [])


async def _whole(stream: AsyncIterator[bytes], content_type: str, limits: ImageLimits) -> bytes:
    """A document may have all bytes of a request; whatever else is one image, and no more is held than one may have."""
    pieces, size = [], 0
    async for chunk in stream:
        pieces.append(chunk)
        size += len(chunk)
        if size > limits.max_bytes >= size - len(chunk):
            _refuse_large(b"".join(piece[:_HEAD_BYTES] for piece in pieces[:_HEAD_BYTES]), content_type, limits, size)
    return await joined(pieces)


def _refuse_large(head: bytes, content_type: str, limits: ImageLimits, size: int) -> None:
    if is_document(head):
        return
    if not starts_as_image(head):
        refuse_text(head, content_type)
    limits.refuse_bytes(size)
