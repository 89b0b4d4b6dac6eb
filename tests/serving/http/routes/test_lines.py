import asyncio
import json

import pytest

from models.errors import DeadlineExceededError, ImageError
from serving.http.routes.lines import Lines
from serving.service.answers import Answers, Timing


def read(lines: Lines, order: list[int], error: Exception | None = None) -> list[bytes]:
    """What comes where images are answered in this order, and then the call fails, or does not."""

    async def answer() -> Answers:
        for index in order:
            lines.tell(index, ImageError(f"image {index}"))
            await asyncio.sleep(0)
        if error is not None:
            raise error
        return Answers([], Timing(), {})

    async def collect() -> list[bytes]:
        return [line async for line in lines.of(answer())]

    return asyncio.run(collect())


def made() -> Lines:
    return Lines(lambda index, answer: f"{index}: {answer}".encode())


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0]])
def test_lines_are_in_order_whenever_their_images_are_answered(order):
    assert read(made(), order) == [f"{index}: image {index}\n".encode() for index in range(3)]


def test_what_fails_after_the_first_line_is_the_last_one():
    first, last = read(made(), [0], DeadlineExceededError("too late"))
    assert first == b"0: image 0\n"
    assert json.loads(last) == {"error": "too late", "error_type": "DeadlineExceededError"}


def test_what_fails_before_it_is_raised():
    with pytest.raises(DeadlineExceededError):
        read(made(), [1], DeadlineExceededError("too late"))


def test_a_reader_who_leaves_ends_the_answering():
    ended = asyncio.Event()

    async def for_ever() -> Answers:
        lines.tell(0, ImageError("image 0"))
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    async def leave() -> None:
        content = lines.of(for_ever())
        await anext(content)
        await content.aclose()
        await asyncio.wait_for(ended.wait(), 5)

    lines = made()
    asyncio.run(leave())
