"""Every error that a call raises, or leaves in the place of a photo.

LoupeError
├── ImageError                a photo cannot be used
│   └── TooLargeError         413: it, or the request with it, has too many bytes or pixels
├── RequestError              the call is wrong: 4xx
│   ├── UnauthorizedError     401, 403: the key is missing or wrong, or may not do this
│   └── NotFoundError         404: no such model, or no Loupe at this address
└── ServiceError              the service did not answer: 5xx, and answers that are not Loupe's
    ├── BusyError             429, 503: full or not ready, and so to the end of all retries
    ├── ProxyError            500, 502 without Loupe's body: of what stands before it, or of its server where it ended
    ├── DeadlineError         408, 504, or no answer at all in time
    └── UnreachableError      nobody listens there, or the connection broke
"""

import re

import httpx

_OF_IMAGES = frozenset({"UnsupportedImageError", "UndecodableImageError", "ImageTooLargeError"})
_NOT_LOUPE_S = "HTTPError"
_OF_PROXIES = frozenset({500, 502})
_ERRNO = re.compile(r"^\[Errno -?\d+\] ")  # which Python puts before what is for people


class LoupeError(Exception):
    """Base of all errors of this package; its text is one sentence.

    Attributes:
        error_type: the service's name for it, such as ``UndecodableImageError``; of the client's own errors the class.
        status: of the answer; None where there was none, and for one photo among several.
    """

    def __init__(self, sentence: str, error_type: str, status: int | None = None) -> None:
        super().__init__(sentence, error_type, status)  # all of them, so that it can be pickled
        self.error_type = error_type
        self.status = status

    def __str__(self) -> str:
        return str(self.args[0])


class ImageError(LoupeError):
    """A photo cannot be used."""


class TooLargeError(ImageError):
    """The photo, or the request with it, has too many bytes or pixels."""


class RequestError(LoupeError):
    """The call is wrong."""


class UnauthorizedError(RequestError):
    """The API key is missing or wrong, or may not do this."""


class NotFoundError(RequestError):
    """There is no such model, or no Loupe at this address."""


class ServiceError(LoupeError):
    """The service did not answer."""


class BusyError(ServiceError):
    """The service is full or not ready."""


class ProxyError(ServiceError):
    """Whatever stands before the service answered in its place."""


class DeadlineError(ServiceError):
    """There was no answer in time."""


class UnreachableError(ServiceError):
    """Nobody listens there, or the connection broke."""


_STATUSES: dict[int, type[LoupeError]] = {
    401: UnauthorizedError,
    403: UnauthorizedError,
    404: NotFoundError,
    408: DeadlineError,
    413: TooLargeError,
    429: BusyError,
    503: BusyError,
    504: DeadlineError,
}


def error_of(response: httpx.Response) -> LoupeError:
    """The error that an answer tells; a proxy's own, without Loupe's body, is told by its status."""
    sentence, error_type = _told(response)
    status = response.status_code
    otherwise: type[LoupeError] = ServiceError if status >= 500 else RequestError
    if error_type == _NOT_LOUPE_S and status in _OF_PROXIES:
        otherwise = ProxyError
    if error_type in _OF_IMAGES and status not in _STATUSES:
        otherwise = ImageError
    return _STATUSES.get(status, otherwise)(sentence, error_type, status)


def image_error(sentence: str, error_type: str) -> ImageError:
    """The error of one photo among several."""
    return (TooLargeError if error_type == "ImageTooLargeError" else ImageError)(sentence, error_type)


def connection_error(error: httpx.RequestError, url: str) -> ServiceError:
    """The error where there was no answer, or none that can be read."""
    if not isinstance(error, httpx.TransportError):
        return ServiceError(f"{url} answered something that Loupe does not", ServiceError.__name__)
    if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
        return DeadlineError(f"{url} did not answer in time", DeadlineError.__name__)
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        why = _ERRNO.sub("", str(error)) or "no answer"
        return UnreachableError(f"{url} cannot be reached: {why}", UnreachableError.__name__)
    return UnreachableError(f"the connection to {url} broke: {type(error).__name__}", UnreachableError.__name__)


def _told(response: httpx.Response) -> tuple[str, str]:
    try:
        body = response.json()
        return str(body["error"]), str(body["error_type"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return f"the answer was {response.status_code} {response.reason_phrase}", _NOT_LOUPE_S
