"""All that a client does, without doing it: generators that yield what to send or how long to pause.

``Client`` and ``AsyncClient`` send and sleep, each in its way; everything else is here, and written once.
"""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar
from urllib.parse import quote

import httpx

from loupe.answers import Answer, Health, Model, Predictions, Upright, Version, predictions_of
from loupe.batches import Read
from loupe.errors import (
    BusyError,
    ImageError,
    LoupeError,
    ProxyError,
    ServiceError,
    TooLargeError,
    UnreachableError,
    connection_error,
    error_of,
)
from loupe.patience import Patience
from loupe.second_looks import Correction, Drift, Explanation, drawing_of

_PNG = "image/png"
_RAW = "application/octet-stream"
_PROXY_S_RETRIES = 2
"""A replica that ends costs one or two; more of them come from a fault that stays."""

Exif = Literal["apply", "ignore"]
Method = Literal["tag", "pixels"]
Names = str | Iterable[str] | None
T = TypeVar("T")


@dataclass(frozen=True)
class Send:
    """One HTTP request; sent anew for each attempt."""

    method: Literal["GET", "POST"]
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    images: Sequence[bytes] = ()
    accept: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Those of one photo; a form's are httpx's to make."""
        wanted = {} if self.accept is None else {"Accept": self.accept}
        return wanted | ({"Content-Type": _RAW} if len(self.images) == 1 else {})

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
    exif: Exif
    top_k: int | None

    def params(self) -> dict[str, str]:
        """Without what the service does anyway."""
        return _told(
            models=None if self.models is None else ",".join(self.models),
            exif=None if self.exif == "apply" else self.exif,
            top_k=None if self.top_k is None else str(self.top_k),
        )


def _told(**given: str | None) -> dict[str, str]:
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

    def predict_batch(self, batch: Sequence[Read], asked: Asked) -> Flow[list[Answer]]:
        """Several photos; what is wrong with one stands in its place."""
        good = [read for read in batch if not isinstance(read, ImageError)]
        answers = iter((yield from self._halving(good, asked)) if good else ())
        return [read if isinstance(read, ImageError) else next(answers) for read in batch]

    def upright(self, image: bytes, method: Method) -> Flow[Upright]:
        """Photo in, upright photo out."""
        params = {} if method == "tag" else {"method": method}
        return self._ask(Send("POST", "/v1/upright", params, [image]), Upright.of)

    def explain(self, image: bytes, model: str, label: str | None, exif: Exif) -> Flow[Explanation]:
        """What an answer hangs on, in numbers."""
        return self._ask(_explaining(image, model, label, exif), Explanation.of)

    def explain_drawn(self, image: bytes, model: str, label: str | None, exif: Exif) -> Flow[bytes]:
        """What an answer hangs on, over the photo."""
        return self._ask(_explaining(image, model, label, exif, _PNG), drawing_of)

    def feedback(self, image: bytes, model: str, label: str) -> Flow[Correction]:
        """What is right where an answer is wrong; told again, it takes the place of what was told before."""
        return self._ask(Send("POST", f"{_path(model)}:feedback", {"label": label}, [image]), Correction.of)

    def drift(self, model: str, version: str | None) -> Flow[Drift]:
        """Whether the last pictures look like the model's own."""
        of_version = "" if version is None else f"/versions/{quote(version, safe='')}"
        return self._ask(Send("GET", f"{_path(model)}{of_version}/drift"), Drift.of)

    def models(self) -> Flow[list[Model]]:
        """What is served."""
        return self._ask(Send("GET", "/v1/models"), lambda answer: [Model.of(row) for row in answer.json()["models"]])

    def version(self) -> Flow[Version]:
        """Which Loupe answers."""
        return self._ask(Send("GET", "/version"), Version.of)

    def health(self) -> Flow[Health]:
        """How it is now: asked once."""
        return self._ask(Send("GET", "/health"), Health.of, retries=0)

    def _halving(self, images: list[bytes], asked: Asked) -> Flow[list[Answer]]:
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

    def _predict(self, images: list[bytes], asked: Asked) -> Flow[list[Answer]]:
        send = Send("POST", "/v1/predict", asked.params(), images)
        return self._ask(send, lambda answer: predictions_of(answer, len(images)))

    def _ask(self, send: Send, read: Callable[[httpx.Response], T], retries: int | None = None) -> Flow[T]:
        patience = Patience(self._timeout_s, self._retries if retries is None else retries)
        answer = yield from self._persist(send, patience)
        try:
            return read(answer)
        except (LookupError, TypeError, ValueError, RecursionError) as error:
            said = f"{self._url}{send.path} answered something that Loupe does not"
            raise ServiceError(said, ServiceError.__name__, answer.status_code) from error

    def _persist(self, send: Send, patience: Patience) -> Flow[httpx.Response]:
        """Asks until there is an answer, or an error that will not pass by itself."""
        proxied = 0
        while True:
            retry_after = None
            try:
                answer = yield Attempt(send, patience.left_s)
            except httpx.RequestError as error:
                failure: LoupeError = connection_error(error, self._url)
                failure.__cause__ = error
            else:
                assert answer is not None  # noqa: S101 - the answer to a Pause alone is None
                if answer.is_success:
                    return answer
                failure, retry_after = error_of(answer), answer.headers.get("Retry-After")
            proxied += isinstance(failure, ProxyError)
            passes = isinstance(failure, BusyError | UnreachableError | ProxyError) and proxied <= _PROXY_S_RETRIES
            pause_s = patience.pause_s(retry_after) if passes else None
            if pause_s is None:
                raise failure
            yield Pause(pause_s)


def _explaining(image: bytes, model: str, label: str | None, exif: Exif, accept: str | None = None) -> Send:
    params = _told(label=label, exif=None if exif == "apply" else exif)
    return Send("POST", f"{_path(model)}:explain", params, [image], accept)


def _path(model: str) -> str:
    return f"/v1/models/{quote(model, safe='')}"


def listed(models: Names) -> list[str] | None:
    """One name is a list of one."""
    return [models] if isinstance(models, str) else None if models is None else list(models)
