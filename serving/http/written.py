"""Answers as JSON; large ones beside the event loop, and in pieces, as one call of the writer keeps the interpreter.

64 photos and five models of a thousand labels make 5 MB, in one call 66 ms.
"""

from collections.abc import Iterable, Iterator

from pydantic_core import to_json

from serving.http.schemas import ErrorBody, ModelAnswer, ModelsAnswer, PredictionOrError, Rows
from serving.parsing.off_loop import off_loop

_BYTES_A_VALUE = 64  # of a body that is read in the time in which one is written


async def written(answer: object) -> bytes:
    """What ``to_json`` makes of it."""
    rows = _rows(answer)
    if len(rows) == 1:  # as in most answers
        return to_json(answer)
    work = sum([len(row.probabilities) for row in rows if not isinstance(row, ErrorBody)]) * _BYTES_A_VALUE
    return await off_loop(lambda: b"".join(_pieces(answer)), work)


def _rows(answer: object) -> list[PredictionOrError]:
    if isinstance(answer, ModelsAnswer):
        return [row for one in answer.results.values() for row in one.predictions]
    return answer.predictions if isinstance(answer, (ModelAnswer, Rows)) else []


def _pieces(answer: object) -> Iterator[bytes]:
    if isinstance(answer, ModelsAnswer):
        yield b'{"results":{'
        for index, (name, one) in enumerate(answer.results.items()):
            yield b"%b%b:" % (b"," if index else b"", to_json(name))
            yield from _pieces(one)
        yield b"}}"
    elif isinstance(answer, ModelAnswer):
        yield b'{"model":%b,"version":%b,"predictions":[' % (to_json(answer.model), to_json(answer.version))
        yield from _joined(answer.predictions)
        yield b"]}"
    elif isinstance(answer, Rows):
        yield b'{"predictions":['
        yield from _joined(answer.predictions)
        yield b"]}"
    else:
        yield to_json(answer)


def _joined(rows: Iterable[PredictionOrError]) -> Iterator[bytes]:
    for index, row in enumerate(rows):
        yield b"," if index else b""
        yield to_json(row)
