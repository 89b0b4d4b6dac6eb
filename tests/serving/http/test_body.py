"""What is held of a body that never ends: as much as one image may have, or as a document may."""

import asyncio
from base64 import b64encode
from collections.abc import Callable
from itertools import chain, repeat

import pytest
from fastapi import Request

from models.errors import ImageTooLargeError, LoupeError, RequestTooLargeError, UnsupportedImageError
from serving.http.forms.body import read_body
from serving.parsing.off_loop import beside_loop
from serving.settings import Settings

KIB = 1024
SETTINGS = Settings(max_image_bytes=100 * KIB, max_request_bytes=300 * KIB)
FORM = {"content-type": "multipart/form-data; boundary=b"}
FILE = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'
TEXT = b'--b\r\nContent-Disposition: form-data; name="note"\r\n\r\n'


def held(error: type[LoupeError], start: bytes, more: bytes, headers: dict[str, str]) -> int:
    """Bytes that were taken of an endless body, in chunks of a KiB, when it was refused with ``error``."""
    chunks, taken = chain([start], repeat(more * KIB)), []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": next(chunks), "more_body": True}

    named = [(name.encode(), value.encode()) for name, value in headers.items()]
    request = Request({"type": "http", "method": "POST", "headers": named}, receive)
    with pytest.raises(error):
        asyncio.run(read_body(request, SETTINGS, taken.append))
    return sum(taken) // KIB


@pytest.mark.parametrize(
    ("start", "headers"),
    [(b"\xff\xd8\xff", {}), (b"\0", {}), (b"\xff", {}), (FILE, FORM), (TEXT, FORM)],
    ids=["JPEG", "zeros", "half a start", "form", "a form's text"],
)
def test_what_can_only_be_an_image_is_held_as_far_as_one_may_go(start, headers):
    assert held(ImageTooLargeError, start, b"\0", headers) in (100, 101)  # a form is looked through first


def test_text_is_told_apart_as_early():
    assert held(UnsupportedImageError, b"no image", b"x", {}) == 100


@pytest.mark.parametrize("start", [b'{"image": "', b'\xef\xbb\xbf \n{"image": "'])
def test_a_document_may_have_all_bytes_of_a_request(start):
    assert held(RequestTooLargeError, start, b" ", {}) == 299  # the chunk that is too much is not taken


def test_a_document_of_more_bytes_than_an_image_is_read(serve_with, zoo):
    client, image = serve_with(max_image_bytes=2000), zoo.png(size=(16, 16))
    document = b'{"image":' + b" " * 2000 + b'"' + b64encode(image) + b'"}'
    assert client.post("/v1/models/orientation:predict", content=document).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/models/orientation:predict"),
        ("POST", "/v2/models/orientation/infer"),
        ("POST", "/v2/repository/index"),
        ("PUT", "/v1/models/orientation/labels"),
    ],
)
def test_documents_that_take_long_are_read_beside_the_loop(serve_with, monkeypatch, method, path):
    """However few bytes they are; those of the last two were read in it whatever they were."""
    client, beside = serve_with(admin_token="secret"), list[int]()

    async def noted(read: Callable[[], object], size: int) -> object:
        beside.append(size)
        return await beside_loop(read, size)

    monkeypatch.setattr("serving.parsing.off_loop.beside_loop", noted)
    for document, times in ((b'{"a": 1}', 0), (b'{"a": [' + b'"",' * 2000 + b'""]}', 1)):
        client.request(method, path, content=document, headers={"Authorization": "Bearer secret"})
        assert len(beside) == times
