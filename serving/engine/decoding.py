"""Decoders: encoded photos → the pixels that models take; each photo is decoded once, for all models asked for."""

import asyncio
from collections.abc import Collection, Sequence
from time import perf_counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.errors import DeadlineExceededError
from models.images import ImageLimits, Size, decode
from models.preprocessing import Preprocessing
from serving.engine.batcher import Batcher

_WEIGHT = 0.1  # of the newest photo in what is typical; also, what is typical shrinks by it where nothing gets through


class Prepared(NamedTuple):
    """One photo.

    Attributes:
        pixels: ``uint8[H, W, C]`` by the preprocessing that made them.
        queue_s: seconds that it waited for a thread.
        decode_s: seconds that it was decoded.
        preprocess_s: seconds that all preprocessings took.
    """

    pixels: dict[Preprocessing, NDArray[np.uint8]]
    queue_s: float
    decode_s: float
    preprocess_s: float


class _Photo(NamedTuple):
    data: bytes
    wanted: Collection[Preprocessing]
    apply_exif: bool


class Decoders:
    """Threads, one per core: a photo of 12 megapixels holds a core for 20 ms and more."""

    def __init__(self, *, threads: int, max_queue: int, limits: ImageLimits) -> None:
        self._limits = limits
        self._typical_s = 0.0
        self._threads = Batcher[_Photo, Prepared](self._prepare, max_batch=1, max_queue=max_queue, workers=threads)

    async def prepare(
        self, data: bytes, wanted: Collection[Preprocessing], *, apply_exif: bool, deadline: float
    ) -> Prepared:
        """Decodes a photo.

        Args:
            data: the encoded photo.
            wanted: what the models take. A JPEG is decoded at the smallest DCT scale that serves all of them.
            apply_exif: whether the EXIF orientation is applied.
            deadline: the ``perf_counter()`` at which its answer is late. A photo that could not be answered by then,
                if it takes as long as others did, costs no decode.

        Raises:
            ImageError: the photo cannot be used.
            DeadlineExceededError: no thread was free early enough.
        """
        photo = _Photo(data, wanted, apply_exif)
        try:
            batched = await asyncio.wrap_future(self._threads.submit(photo, deadline - self._typical_s))
        except DeadlineExceededError:
            self._typical_s *= 1 - _WEIGHT  # else one slow photo could shut out impatient callers for ever
            raise
        return batched.result._replace(queue_s=batched.queue_s)

    def note_answer(self, seconds: float) -> None:
        """Learns how long it took from the decode of a photo to its answer."""
        self._typical_s += _WEIGHT * (seconds - self._typical_s)

    @property
    def waiting(self) -> int:
        """Photos that wait for a thread."""
        return self._threads.waiting

    def close(self) -> None:
        """Decodes what waits, then ends the threads."""
        self._threads.close()

    def _prepare(self, photos: Sequence[_Photo]) -> list[Prepared]:
        return [self._prepare_one(photo) for photo in photos]

    def _prepare_one(self, photo: _Photo) -> Prepared:
        started = perf_counter()
        at_least = Size(max(one.width for one in photo.wanted), max(one.height for one in photo.wanted))
        image = decode(photo.data, at_least, self._limits, apply_exif=photo.apply_exif)
        decoded = perf_counter()
        pixels = {preprocessing: preprocessing.apply(image) for preprocessing in photo.wanted}
        return Prepared(pixels, 0.0, decoded - started, perf_counter() - decoded)
