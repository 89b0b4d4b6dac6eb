"""A multipart form → the images in it, parsed as it arrives and refused at the first part that is not allowed."""

from collections.abc import AsyncGenerator

from fastapi import Request
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from models.errors import RequestError, RequestTooLargeError

PART = "image"
"""The name that every part has."""


async def read_multipart(request: Request, chunks: AsyncGenerator[bytes, None], max_images: int) -> list[bytes]:
    """Reads the images of a form. python-multipart allows each part 8 headers of 4 KiB.

    Args:
        request: its headers name the boundary.
        chunks: its body, bounded by whoever reads it.
        max_images: parts that are allowed.

    Raises:
        RequestError: the form is malformed, or a part is no file named ``image``.
        RequestTooLargeError: it has more parts.
    """
    try:
        form = await _Parser(request.headers, chunks, max_images).parse()
    except MultiPartException as error:
        raise RequestError(f"the multipart body is malformed: {error.__cause__ or error.message}") from None
    try:
        return [await part.read() for _, part in form.multi_items() if isinstance(part, UploadFile)]
    finally:
        await form.close()


class _Parser(MultiPartParser):
    spool_max_size = 1 << 40  # never to disk: the budget bounds the memory, and photos of others belong on no disk

    def __init__(self, headers: Headers, chunks: AsyncGenerator[bytes, None], max_images: int) -> None:
        super().__init__(headers, self._whole(chunks))
        self._max_images = max_images
        self._ended = False

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        part = self._current_part
        if part.field_name != PART or part.file is None:
            name = part.field_name[:50]
            raise RequestError(f"the multipart body has a part {name!r}; allowed are file parts named {PART!r}")
        if self._current_files > self._max_images:
            raise RequestTooLargeError(f"the request has more than the {self._max_images} images that are allowed")

    def on_end(self) -> None:
        self._ended = True

    async def _whole(self, chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        async for chunk in chunks:
            yield chunk
        if not self._ended:  # Starlette would silently answer with fewer parts
            raise MultiPartException("its closing boundary is missing")
