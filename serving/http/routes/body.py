"""A predict body → the encoded images in it."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Literal

from fastapi import Request
from pydantic import ValidationError

from models.errors import RequestError, RequestTimeoutError, UnsupportedImageError
from serving.http.routes.multipart import PART, read_multipart
from serving.http.routes.stream import chunks
from serving.http.schemas import TensorFlowRequest
from serving.settings import Settings

_UNTYPED = ("", "application/x-www-form-urlencoded")  # what curl's --data-binary says unless told otherwise
_RAW = "application/octet-stream"

_BINARY = {"type": "string", "format": "binary"}
_B64: dict[str, object] = {
    "type": "object",
    "required": ["b64"],
    "properties": {"b64": {"type": "string", "format": "byte"}},
}
_B64S: dict[str, object] = {"type": "array", "items": _B64}
_INPUT: dict[str, object] = {"type": "object", "required": [PART], "properties": {PART: _B64S}}


def _json_schema(form: str, images: dict[str, object]) -> dict[str, object]:
    return {"type": "object", "required": [form], "properties": {form: images, "signature_name": {"type": "string"}}}


OPENAPI_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "image/*": {"schema": _BINARY},
            _RAW: {"schema": _BINARY},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [PART],
                    "properties": {PART: {"type": "array", "items": _BINARY}},
                }
            },
            "application/json": {
                "schema": {"oneOf": [_json_schema("instances", _B64S), _json_schema("inputs", _INPUT)]}
            },
        },
    }
}
"""The body's forms for openapi.json, which cannot see them as the routes read the stream themselves."""


@dataclass(frozen=True)
class Body:
    """Encoded images, and the form that they came in: the answer has the same."""

    images: list[bytes]
    form: Literal["plain", "rows", "columns"] = "plain"


async def read_body(request: Request, settings: Settings, take: Callable[[int], None]) -> Body:
    """Reads the images of a predict request, and no more bytes than are allowed.

    Args:
        request: its body is one image, a multipart form, or TensorFlow Serving's JSON.
        settings: the limits.
        take: told of every chunk before the next is read; raises QueueFullError if there is no room for it.

    Raises:
        RequestError: the body is malformed or holds no image.
        RequestTooLargeError: it has more than ``max_request_bytes``.
        RequestTimeoutError: it has not arrived within ``request_timeout_s``.
        UnsupportedImageError: its media type is none of these.
    """
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    try:
        async with asyncio.timeout(settings.request_timeout_s):
            body = await _read(media_type, request, chunks(request, settings, take), settings)
    except TimeoutError:
        raise RequestTimeoutError(f"the body did not arrive within {settings.request_timeout_s:g} s") from None
    if not body.images:
        raise RequestError("the request holds no image; at least one is needed")
    return body


async def _read(media_type: str, request: Request, stream: AsyncGenerator[bytes, None], settings: Settings) -> Body:
    if media_type == "multipart/form-data":
        return Body(await read_multipart(request, stream, settings.max_request_images))
    if not (media_type in (*_UNTYPED, _RAW, "application/json") or media_type.startswith("image/")):
        raise UnsupportedImageError(
            f"a body of type {media_type!r} is not read; "
            f"allowed are image/*, {_RAW}, multipart/form-data and application/json"
        )
    data = b"".join([chunk async for chunk in stream])
    # TensorFlow Serving does not look at the type, and the curl calls in its manual send JSON without one.
    if media_type == "application/json" or (media_type in _UNTYPED and data.lstrip()[:1] == b"{"):
        return _parse_json(data)
    return Body([data] if data else [])


def _parse_json(data: bytes) -> Body:
    try:
        parsed = TensorFlowRequest.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "document"
        raise RequestError(f"the JSON body is malformed at {place}: {first['msg']}") from None
    if parsed.instances is not None:
        return Body([image.b64 for image in parsed.instances], "rows")
    return Body([image.b64 for image in parsed.inputs or []], "columns")
