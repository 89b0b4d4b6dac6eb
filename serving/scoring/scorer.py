"""Scorer: pictures in, scores out; the one that the commands, Ray and Spark share."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Self

from models.errors import ImageError
from models.store import is_address, read_object
from serving.scoring.picture import Picture
from serving.scoring.pipeline import in_order
from serving.scoring.reading import read_photo
from serving.scoring.score import Row, Score
from serving.service import PredictionService
from serving.settings import Settings


class Scorer:
    """Models that are loaded, and what they say of pictures.

    Attributes:
        settings: what they were loaded with.
        versions: of each model that is asked.
    """

    def __init__(self, settings: Settings, only: Collection[str] = ()) -> None:
        """Loads all models of the repository; those are asked that are by default.

        Args:
            settings: where they are, and what a picture may cost.
            only: as ``PredictionService.load``.

        Raises:
            LoupeError: as ``PredictionService.load``.
        """
        self.settings = settings
        self._service = PredictionService.load(settings, only=only)
        self.versions: dict[str, str] = {}
        self.choose(self._service.default_names)

    def choose(self, models: Sequence[str]) -> None:
        """Has these models asked.

        Raises:
            ModelNotFoundError: one of them is not there.
        """
        chosen = [self._service.classifier(name).metadata for name in models]
        self.versions = {one.name: str(one.version) for one in chosen}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._service.close()

    async def score(self, picture: Picture) -> Score:
        """What the server would answer. A picture that cannot be read or used has its reason; what else fails, raises.

        Raises:
            ServiceError: the service cannot answer, or a store does not, whichever picture it is.
        """
        try:
            data = await asyncio.to_thread(self._read, picture) if picture.data is None else picture.data
            self.settings.image_limits.refuse_bytes(len(data))
            answers = await self._service.predict(list(self.versions), [data])
        except (ImageError, OSError) as error:
            return Score(picture.name, error, {})
        return Score(picture.name, answers.images[0], answers.versions)

    async def scores(self, pictures: Iterable[Picture]) -> AsyncIterator[Score]:
        """Of each picture, in order; a few for each thread are in memory at a time."""
        async with aclosing(in_order(pictures, self.score, self.settings)) as scores:
            async for score in scores:
                yield score

    def _read(self, picture: Picture) -> bytes:
        if is_address(picture.place):
            return read_object(picture.place, self.settings.max_image_bytes + 1)
        return read_photo(Path(picture.place), self.settings)


class ScorerOfBatches:
    """The same for engines that bring batches and have no event loop, such as Ray's actors and Spark's workers."""

    def __init__(self, settings: Settings, models: Sequence[str] | None = None) -> None:
        """Loads the models; None asks those that are asked by default.

        Raises:
            LoupeError: as ``Scorer``, and as its ``choose``.
        """
        self._runner = asyncio.Runner()
        self.scorer = Scorer(settings, only=models or ())
        if models:
            self.scorer.choose(models)

    def rows(self, pictures: Iterable[Picture]) -> list[Row]:
        """All rows of all pictures, in order.

        Raises:
            ServiceError: as ``Scorer.score``.
        """
        return self._runner.run(self._rows(pictures))

    async def _rows(self, pictures: Iterable[Picture]) -> list[Row]:
        return [row async for score in self.scorer.scores(pictures) for row in score.rows()]
