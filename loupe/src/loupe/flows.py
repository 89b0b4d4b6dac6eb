"""All that a client does, without doing it: generators that yield what to send or how long to pause.

``Client`` and ``AsyncClient`` send and sleep, each in its way; everything else is here, and written once.
"""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import httpx

from loupe.answers import Health, Model, Predictions, Upright, Version, predictions_of
from loupe.batches import Read
from loupe.errors import (
    BusyError,
    ImageError,
    LoupeError,
    ServiceError,
    TooLargeError,
    UnreachableError,
    connection_error,
    error_of,
)
from loupe.patience import Patience

_RAW = "application/octet-stream"

T = TypeVar("T")


@dataclass(frozen=True)
class Send:
    """One HTTP request; sent anew for each attempt."""

    method: Literal["GET", "POST"]
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    images: Sequence[bytes] = ()

    @property
    def headers(self) -> dict[str, str]:
        """Those of one photo; a form's are httpx's to make."""
        return {"Content-Type": _RAW} if len(self.images) == 1 else {}

    def body(self) -> dict[str, object]:
        """As httpx's arguments: one photo as it is, several as a form. File names stay with the caller."""
        if len(self.images) == 1:
            return {"content": self.images[0]}
        return {"files": [("image", ("image", data, _RAW)) for data in self.images]} if self.images else {}


@dataclass(frozen=True)
class Attempt:
    """``Send`` this, and give up after so many seconds."""

    send: Send
    timeout_s: float


@dataclass(frozen=True)
class Pause:
    """Seconds."""

    seconds: float


Flow = Generator[Attempt | Pause, httpx.Response | None, T]


@dataclass(frozen=True)
class Asked:
    """What is asked about photos."""

    models: Sequence[str] | None
    exif: Literal["apply", "ignore"]
    top_k: int | None

    def params(self) -> dict[str, str]:
        """Without what the service does anyway."""
        given = {
            "models": None if self.models is None else ",".join(self.models),
            "exif": None if self.exif == "apply" else self.exif,
            "top_k": None if self.top_k is None else str(self.top_k),
        }
        return {name: value for name, value in given.items() if value is not None}


class Flows:
    """The calls of one service."""

    def __init__(self, url: str, *, timeout_s: float, retries: int) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._retries = retries

    def predict(self, image: bytes, asked: Asked) -> Flow[Predictions]:
        """One photo; what is wrong with it is raised."""
        [answer] = yield from self._predict([image], asked)
        if isinstance(answer, ImageError):
            raise answer
        return answer

    def predict_batch(self, batch: Sequence[Read], asked: Asked) -> Flow[list[Predictions | ImageError]]:
        """Several photos; what is wrong with one stands in its place."""
        good = [read for read in batch if not isinstance(read, ImageError)]
        answers = iter((yield from self._halving(good, asked)) if good else ())
        return [read if isinstance(read, ImageError) else next(answers) for read in batch]

    def upright(self, image: bytes, method: Literal["tag", "pixels"]) -> Flow[Upright]:
        """Photo in, upright photo out."""
        params = {} if method == "tag" else {"method": method}
        return self._ask(Send("POST", "/v1/upright", params, [image]), Upright.of)

    def models(self) -> Flow[list[Model]]:
        """What is served."""
        return self._ask(Send("GET", "/v1/models"), lambda answer: [Model.of(row) for row in answer.json()["models"]])

    def version(self) -> Flow[Version]:
        """Which Loupe answers."""
        return self._ask(Send("GET", "/version"), Version.of)

    def health(self) -> Flow[Health]:
        """How it is now: asked once."""
        return self._ask(Send("GET", "/health"), Health.of, retries=0)

    def _halving(self, images: list[bytes], asked: Asked) -> Flow[list[Predictions | ImageError]]:
        """A service or a proxy may allow less than we think: then the request is sent in two halves."""
        try:
            return (yield from self._predict(images, asked))
        except ImageError as error:
            if len(images) == 1:
                return [error]
            if not isinstance(error, TooLargeError):
                raise
        middle = len(images) // 2
        first = yield from self._halving(images[:middle], asked)
        return first + (yield from self._halving(images[middle:], asked))

    def _predict(self, images: list[bytes], asked: Asked) -> Flow[list[Predictions | ImageError]]:
        send = Send("POST", "/v1/predict", asked.params(), images)
        return self._ask(send, lambda answer: predictions_of(answer, len(images)))

    def _ask(self, send: Send, read: Callable[[httpx.Response], T], retries: int | None = None) -> Flow[T]:
        patience = Patience(self._timeout_s, self._retries if retries is None else retries)
        answer = yield from self._persist(send, patience)
        try:
            return read(answer)
        except (LookupError, TypeError, ValueError) as error:
            said = f"{self._url}{send.path} answered something that Loupe does not"
            raise ServiceError(said, ServiceError.__name__, answer.status_code) from error

    def _persist(self, send: Send, patience: Patience) -> Flow[httpx.Response]:
        """Asks until there is an answer, or an error that will not pass by itself."""
        while True:
            retry_after = None
            try:
                answer = yield Attempt(send, patience.left_s)
            except httpx.TransportError as error:
                failure: LoupeError = connection_error(error, self._url)
                failure.__cause__ = error
            else:
                assert answer is not None  # noqa: S101 - the answer to a Pause alone is None
                if answer.is_success:
                    return answer
                failure, retry_after = error_of(answer), answer.headers.get("Retry-After")
            pause_s = patience.pause_s(retry_after) if isinstance(failure, BusyError | UnreachableError) else None
            if pause_s is None:
                raise failure
            yield Pause(pause_s)


def listed(models: str | Iterable[str] | None) -> list[str] | None:
    """One name is a list of one."""
    return [models] if isinstance(models, str) else None if models is None else list(models)
