import asyncio
import os
from base64 import b64encode, encodebytes, urlsafe_b64encode
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import RequestError
from serving.parsing.base64_text import read_base64

DATA = bytes(range(256)) * 3


@pytest.mark.parametrize(
    "text",
    [
        b64encode(DATA).decode(),
        encodebytes(DATA).decode(),
        b64encode(DATA).decode().replace("=", ""),
        urlsafe_b64encode(DATA).decode(),
        urlsafe_b64encode(DATA).decode().replace("=", ""),
        "\n\t " + b64encode(DATA).decode() + "\r\n",
        "data:image/jpeg;base64," + b64encode(DATA).decode(),
        "data:image/svg+xml;charset=utf-8;base64," + b64encode(DATA).decode(),
    ],
)
def test_all_that_people_call_base64_is_read(text):
    assert read_base64(text, "it") == DATA


@given(data=st.binary(max_size=40), space=st.sampled_from(["", "\n", " ", "\r\n"]), every=st.integers(1, 9))
def test_white_space_and_padding_may_be_anywhere_and_nowhere(data, space, every):
    text = b64encode(data).decode()
    broken = space.join(text[start : start + every] for start in range(0, len(text), every))
    assert read_base64(broken, "it") == read_base64(broken.rstrip("=" + space), "it") == data


def test_pieces_fit_together():
    data = os.urandom(1_000_000)
    assert read_base64(encodebytes(data).decode(), "it") == data


@pytest.mark.parametrize("text", ["A", "AAAAA", "AAA===", "AA==AAAA", "=", "====", "AA=A", "no base64!", "é"])
def test_what_is_none_is_refused(text):
    with pytest.raises(RequestError, match=r"^it is not base64; wanted is a photo such as \{"):
        read_base64(text, "it")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("http://127.0.0.1/photo.jpg", "it is an address, and Loupe fetches none; send the photo itself"),
        (" HTTPS://example.org/photo.jpg", "it is an address"),
        ("s3://bucket/photo.jpg", "it is an address"),
        ("file:///etc/passwd", "it is an address"),
        ("my photo.JPG", "it is the name of a file; wanted is the file itself"),
        ("data:image/png,abc", "it is a data: URL without base64"),
    ],
)
def test_what_people_send_instead_is_told(text, sentence):
    with pytest.raises(RequestError, match=sentence):
        read_base64(text, "it")


def test_a_large_one_leaves_the_interpreter_to_others():
    """One call for 32 MiB holds it for a third of a second; the event loop gets it between pieces."""
    text = b64encode(bytes(32 * 1024 * 1024)).decode()

    async def longest_pause() -> float:
        reading = asyncio.create_task(asyncio.to_thread(read_base64, text, "it"))
        longest, last = 0.0, perf_counter()
        while not reading.done():
            await asyncio.sleep(0)
            longest, last = max(longest, perf_counter() - last), perf_counter()
        return longest

    assert min(asyncio.run(longest_pause()) for _ in range(3)) < 0.1
