"""Decoders: encoded photos → the pixels that models take; each photo is decoded once, for all models asked for."""

from collections.abc import Callable, Collection
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.cost import Cost, estimate
from models.drift import Shape
from models.errors import DeadlineExceededError, ImageTooLargeError
from models.heif import is_heif
from models.images import ImageLimits, Size
from models.preprocessing import Preprocessing
from serving.engine.lane import Done
from serving.engine.outcome import outcome
from serving.engine.preparing import prepare, wanted_size
from serving.engine.task import Task
from serving.engine.waiting import Waiting
from serving.engine.workshop import Workshop
from serving.parsing.off_loop import Turns, beside_loop

_Result = TypeVar("_Result")
_WEIGHT = 0.1  # of the newest photo in what is typical; also, what is typical shrinks by it where nothing gets through
# The walk over so many bytes, or so many parts, takes the event loop a few milliseconds at most; a camera's JPEG has 20
# parts, and one that was made for it has 64,000 in 256 KiB.
_LOOKED_AT_HERE, _PARTS_HERE = 1024 * 1024, 1024
_HEIF_HERE = 256 * 1024  # all of which is searched eight times


class Prepared(NamedTuple):
    """One photo.

    Attributes:
        pixels: ``uint8[H, W, C]`` by the preprocessing that made them.
        queue_s: seconds that it waited for a thread.
        decode_s: seconds that it was decoded.
        preprocess_s: seconds that all preprocessings took.
        shape: of the whole photo.
    """

    pixels: dict[Preprocessing, NDArray[np.uint8]]
    queue_s: float
    decode_s: float
    preprocess_s: float
    shape: Shape


class Decoders:
    """The way of photos through a workshop."""

    def __init__(self, workshop: Workshop, limits: ImageLimits, timeout_s: float, waiting: Waiting) -> None:
        """Takes nothing yet.

        Args:
            workshop: does the work.
            limits: of one picture.
            timeout_s: seconds of a core that a dear one may take.
            waiting: told of dear ones, which keep nobody waiting.
        """
        self._waiting = waiting
        self._workshop = workshop
        self._limits = limits
        self._limits_here = replace(limits, max_parts=min(limits.max_parts, _PARTS_HERE))
        self._timeout_s = timeout_s
        self._typical_s = 0.0
        self._turns = Turns()

    async def prepare(
        self,
        data: bytes,
        wanted: Collection[Preprocessing],
        then: Callable[[Prepared], _Result],
        *,
        apply_exif: bool,
        deadline: float,
    ) -> _Result:
        """Decodes a photo, and goes on with it in the thread that did.

        Args:
            data: the encoded photo.
            wanted: what the models take. A JPEG is decoded at the smallest DCT scale that serves all of them.
            then: makes the result of it.
            apply_exif: whether the EXIF orientation is applied.
            deadline: the ``perf_counter()`` at which its answer is late. A photo that could not be answered by then,
                if it takes as long as others did, costs no decode.

        Raises:
            ImageError: the photo cannot be used.
            DeadlineExceededError: no thread was free early enough.
        """
        ordered = tuple(wanted)
        cost = await self._estimate(data, wanted_size(ordered))
        task = Task(prepare, data, (ordered, apply_exif, self._limits, cost), cost, self._timeout_s)
        begun = False

        def go_on(done: Done) -> _Result:
            nonlocal begun
            begun = True
            return then(_prepared(ordered, done))

        try:
            with self._waiting.aside() if self._workshop.is_dear(cost) else nullcontext():
                return await outcome(self._workshop.submit(task, deadline - self._typical_s, go_on))
        except DeadlineExceededError:
            if not begun:
                self._typical_s *= 1 - _WEIGHT  # else one slow photo could shut out impatient callers for ever
            raise

    def note_answer(self, seconds: float) -> None:
        """Learns how long it took from the decode of a photo to its answer."""
        self._typical_s += _WEIGHT * (seconds - self._typical_s)

    async def _estimate(self, data: bytes, at_least: Size) -> Cost:
        if len(data) <= (_HEIF_HERE if is_heif(data) else _LOOKED_AT_HERE):
            with suppress(ImageTooLargeError):  # perhaps for here alone
                return await self._turns.take(partial(estimate, data, at_least, self._limits_here))
        return await beside_loop(partial(estimate, data, at_least, self._limits), len(data))


def _prepared(ordered: Collection[Preprocessing], done: Done) -> Prepared:
    parts = zip(ordered, done.made.parts, strict=True)
    pixels = {one: np.frombuffer(part, np.uint8).reshape(one.shape) for one, part in parts}
    decode_s, preprocess_s, shape = done.made.facts
    return Prepared(pixels, done.queue_s, decode_s, preprocess_s, Shape(*shape))
