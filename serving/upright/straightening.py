"""Straightener: a photo in, the same photo upright out; what is uncertain comes back as it was."""

from dataclasses import replace
from functools import partial
from math import inf
from time import perf_counter
from typing import Literal, NamedTuple

from models.cost import estimate
from models.errors import ImageError, InvalidModelError
from serving.engine.classifier import Classifier, Prediction, in_use
from serving.engine.interruption import within
from serving.engine.outcome import outcome
from serving.engine.task import Made, Task
from serving.parsing.off_loop import beside_loop
from serving.service import PredictionService
from serving.service.admission import late
from serving.service.answers import Timing
from serving.upright.photo_file import PhotoFile
from serving.upright.tasks import Method, looking, standing, turning
from serving.versions.served_model import Route

Done = Literal["none", "tag", "lossless", "reencoded"]
"""What was done to a photo: nothing, its tag was changed, or its pixels were turned without loss or coded again."""

MODEL = "orientation"
_UP = "up"
ROTATE = "rotate_clockwise"
"""The attribute of a label that says how to turn a picture upright."""


class Upright(NamedTuple):
    """A photo, and what was done to it.

    Attributes:
        data: the file; byte for byte what was given unless something was done.
        media_type: such as ``image/jpeg``.
        rotated_clockwise: degrees, of the picture as shown.
        proposed_clockwise: what it would have been if that were certain.
        label: the side of the given picture at which the scene's top lies.
        probability: of ``label``.
        certain: whether that was enough to act on, and the turned picture was then found upright.
        done: what was done.
        timing: of the judgements; of each step the longest.
    """

    data: bytes
    media_type: str
    rotated_clockwise: int
    proposed_clockwise: int
    label: str
    probability: float
    certain: bool
    done: Done
    timing: Timing


class Straightener:
    """Asks the orientation model, turns the photo's file where it is decoded too, and asks again.

    Only a picture that is then found upright replaces the given one, so that a second call changes nothing.
    """

    def __init__(self, service: PredictionService, model: str = MODEL) -> None:
        self._service = service
        self._model = model
        self._cpu_s = service.settings.decode_timeout_s

    async def straighten(
        self,
        data: bytes,
        method: Method = "tag",
        *,
        min_probability: float | None = None,
        timeout_s: float | None = None,
    ) -> Upright:
        """Turns one photo upright if that is certain.

        Args:
            data: a JPEG, PNG, WebP or TIFF file of one picture.
            method: how.
            min_probability: acts on no answer below it, besides the model's own threshold. For a label that the model
                knows no threshold for, and so is never certain of, it is the caller's own.
            timeout_s: as for ``PredictionService.predict``.

        Raises:
            ImageError: the photo cannot be used.
            LoupeError: as ``PredictionService.predict``.
        """
        deadline = inf if timeout_s is None else perf_counter() + timeout_s
        try:
            with within(timeout_s):
                return await self._straighten(data, method, min_probability, deadline)
        except TimeoutError:
            raise late(timeout_s) from None

    async def turned(self, data: bytes, clockwise: int, *, timeout_s: float | None = None) -> bytes:
        """Turns a photo as somebody says, by 90, 180 or 270 degrees of the picture as shown, without losing a pixel.

        Raises:
            ImageError: it cannot be used, or is of a kind that is not turned.
            DeadlineExceededError: there was no time left.
        """
        deadline = inf if timeout_s is None else perf_counter() + timeout_s
        kind, orientation = (await self._run(looking(data, self._service.limits, self._cpu_s), deadline)).facts
        return (await self._turn(PhotoFile(data, kind, orientation), clockwise, "tag", deadline))[0]

    async def _straighten(self, data: bytes, method: Method, min_probability: float | None, deadline: float) -> Upright:
        kind, orientation = (await self._run(looking(data, self._service.limits, self._cpu_s), deadline)).facts
        photo = PhotoFile(data, kind, orientation)
        route = self._service.route(self._model)
        with in_use([route.classifier]):
            said, timing = await self._ask(route, data, deadline)
            clockwise, sure = self._rotation(said), _is_sure(said, route.classifier, min_probability)
            given = Upright(data, photo.media_type, 0, clockwise, said.label, said.probability, sure, "none", timing)
            if not sure or (clockwise == 0 and await self._stands(photo, method, deadline)):
                return given
            turned, done = await self._turn(photo, clockwise, method, deadline)
            again, timing = await self._ask(Route(route.classifier), turned, deadline)
            timing = Timing.longest([given.timing, timing])
            if again.label != _UP:
                return given._replace(certain=False, timing=timing)
            return given._replace(data=turned, rotated_clockwise=clockwise, done=done, timing=timing)

    def _rotation(self, said: Prediction) -> int:
        degrees = said.attributes.get(ROTATE)
        if degrees not in (0, 90, 180, 270):
            raise InvalidModelError(f"the model {self._model!r} does not say how to turn {said.label!r}: no {ROTATE!r}")
        return int(degrees)

    async def _stands(self, photo: PhotoFile, method: Method, deadline: float) -> bool:
        return bool((await self._run(standing(photo, method, self._cpu_s), deadline)).facts[0])

    async def _turn(self, photo: PhotoFile, clockwise: int, method: Method, deadline: float) -> tuple[bytes, Done]:
        unbound = replace(self._service.limits, max_decoded_bytes=None)  # the workshop asks for more than that
        cost = await beside_loop(partial(estimate, photo.data, None, unbound), len(photo.data))
        made = await self._run(turning(photo, clockwise, method, cost, self._cpu_s), deadline)
        return bytes(made.parts[0]), made.facts[0]

    async def _run(self, task: Task, deadline: float) -> Made:
        return (await outcome(self._service.workshop.submit(task, deadline))).made

    async def _ask(self, route: Route, data: bytes, deadline: float) -> tuple[Prediction, Timing]:
        left_s = None if deadline == inf else deadline - perf_counter()
        answers = await self._service.predict([route], [data], timeout_s=left_s)
        [answer] = answers.images
        if isinstance(answer, ImageError):
            raise answer
        return answer[self._model], answers.timing


def _is_sure(said: Prediction, classifier: Classifier, min_probability: float | None) -> bool:
    if min_probability is None:
        return said.certain
    thresholds = {label.name: label.certain_from for label in classifier.metadata.labels}
    return said.probability >= min_probability and (said.certain or thresholds[said.label] is None)
