"""Error class → HTTP status, and the one body that every error has."""

import logging
from inspect import getdoc
from math import ceil

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from models.errors import (
    DeadlineExceededError,
    ForbiddenError,
    HeadersTooLargeError,
    ImageTooLargeError,
    InvalidModelError,
    LoupeError,
    ModelNotFoundError,
    NotReadyError,
    QueueFullError,
    RequestError,
    RequestTimeoutError,
    RequestTooLargeError,
    StorageFullError,
    StoreError,
    UnauthorizedError,
    UndecodableImageError,
    UnsupportedImageError,
)
from models.wrong_value import explain
from serving.http.addresses import methods_of, nearest_call
from serving.http.openapi import REFERENCE
from serving.http.schemas import ErrorBody
from serving.observability.logging import REQUEST_ID_HEADER, request_id
from serving.observability.recorder import current_record

_log = logging.getLogger("loupe.http")

STATUSES: dict[type[LoupeError], int] = {
    RequestError: 400,
    InvalidModelError: 400,
    UnauthorizedError: 401,
    ForbiddenError: 403,
    ModelNotFoundError: 404,
    RequestTimeoutError: 408,
    ImageTooLargeError: 413,
    RequestTooLargeError: 413,
    UnsupportedImageError: 415,
    UndecodableImageError: 422,
    QueueFullError: 429,
    HeadersTooLargeError: 431,
    NotReadyError: 503,
    StoreError: 503,
    DeadlineExceededError: 504,
    StorageFullError: 507,
}
"""A class that is not here has its nearest ancestor's status, and 500 if none is here."""

_FOR_OTHERS = (InvalidModelError, ForbiddenError, StoreError, StorageFullError)
ANSWERING = tuple(error for error in STATUSES if error not in _FOR_OTHERS)
"""What calls that predict may meet; the others are for control calls."""

READING = (RequestError, RequestTimeoutError, RequestTooLargeError, QueueFullError)
"""What calls with a body may meet while it arrives."""

CONTROLLING = (*READING, UnauthorizedError, ForbiddenError, ModelNotFoundError)
"""What those may meet that change what is served."""

_HEADERS: dict[type[LoupeError], dict[str, str]] = {
    # The rest of the body is not read, so the connection cannot carry another request.
    RequestTimeoutError: {"Connection": "close"},
    RequestTooLargeError: {"Connection": "close"},
    UnauthorizedError: {"WWW-Authenticate": "Bearer"},
}
_NOT_FOUND = 404
_CLIENT_CLOSED_REQUEST = 499  # nginx's number; nobody is left to read it, but the log is


def error_body(error: LoupeError) -> ErrorBody:
    """The body of an error, and what stands in the place of a bad image among several."""
    return ErrorBody(error=str(error), error_type=type(error).__name__)


def error_json(error: LoupeError) -> bytes:
    """The same, written; without the model, as a full house writes a thousand a second."""
    return to_json({"error": str(error), "error_type": type(error).__name__})


def error_response(error: LoupeError) -> Response:
    """The whole answer, for those who meet the error before the routes do."""
    return _response(_status(error), str(error), type(error).__name__, headers_of(error))


def described(sentence: str) -> dict[str, object]:
    """What openapi.json says of one error. Of a ``model`` FastAPI would make a validator for each route and status."""
    schema = {"$ref": REFERENCE.format(model=ErrorBody.__name__)}
    return {"description": sentence, "content": {"application/json": {"schema": schema}}}


def documented(*errors: type[LoupeError]) -> dict[int | str, dict[str, object]]:
    """What openapi.json says of these errors, by status."""
    said: dict[int | str, dict[str, object]] = {}
    for error in errors:
        status = STATUSES[error]
        others = f"{said[status]['description']} " if status in said else ""
        said[status] = described(f"{others}{_sentence(error)}")
    return said


def add_error_handlers(app: FastAPI) -> None:
    """Gives every error of the service and of the framework its status and body.

    All are coroutines: Starlette sends plain functions through a pool of 40 threads, and the many 429s of a full house
    had those fight for the interpreter.
    """
    app.add_exception_handler(LoupeError, _loupe_error)
    app.add_exception_handler(HTTPException, _framework_error)
    app.add_exception_handler(RequestValidationError, _invalid_parameter)
    app.add_exception_handler(ClientDisconnect, _client_gone)
    app.add_exception_handler(Exception, _internal_error)


def headers_of(error: LoupeError) -> dict[str, str]:
    """Headers that its answer has besides those of every answer."""
    if isinstance(error, QueueFullError):
        return {"Retry-After": str(max(1, ceil(error.retry_after_s)))}  # which knows whole seconds alone
    if isinstance(error, ImageTooLargeError) and error.limit == "bytes":
        return _HEADERS[RequestTooLargeError]
    return _HEADERS.get(type(error), {})


def client_gone() -> Response:
    """For the log alone, as nobody is there to read it."""
    return Response(status_code=_CLIENT_CLOSED_REQUEST)


def _sentence(error: type[LoupeError]) -> str:
    """A docstring's first paragraph; what follows is for who raises it."""
    return (getdoc(error) or "").partition("\n\n")[0]


def _status(error: Exception) -> int:
    return next((STATUSES[class_] for class_ in type(error).__mro__ if class_ in STATUSES), 500)


def _response(status: int, error: str, error_type: str, headers: dict[str, str] | None = None) -> JSONResponse:
    if (record := current_record.get()) is not None:
        record.error_type = error_type
    return JSONResponse({"error": error, "error_type": error_type}, status, headers)


async def _loupe_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, LoupeError)  # noqa: S101 - Starlette types every handler's argument as Exception
    return error_response(error)


async def _framework_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    headers = dict(error.headers or {})
    path = request.url.path
    sentence = f"{request.method} {path[:200]}: {error.detail}"
    if "Allow" in headers:
        template = getattr(request.scope.get("route"), "path", "")
        headers["Allow"] = methods_of(request.app.state.calls, template, headers["Allow"])
        sentence += f"; allowed: {headers['Allow']}"
    elif error.status_code == _NOT_FOUND:
        state = request.app.state
        sentence += f"; {nearest_call(state.calls, list(state.service.models), request.method, path)}"
    return _response(error.status_code, sentence, type(error).__name__, headers)


async def _invalid_parameter(_: Request, error: Exception) -> Response:
    """A query's or header's; an empty text stands for a flag that is named without a value."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    first = error.errors()[0]
    return error_response(RequestError(f"the {first['loc'][0]} parameter {first['loc'][-1]} {explain(first)}"))


async def _client_gone(_: Request, __: Exception) -> Response:
    return client_gone()


class CatchFaults:
    """ASGI middleware: what nobody expected becomes a 500 within all that wraps answers, CORS above all.

    Starlette's own stands outside of them, so that a page of another origin could not read its answer.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request; if it has begun to, the connection is cut."""
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            if (record := current_record.get()) is not None and record.answering:
                raise
            _log.exception("a request failed")
            response = await _internal_error(Request(scope), error)
            await response(scope, receive, send)


async def _internal_error(_: Request, error: Exception) -> Response:
    """Its traceback is for the log; the id leads there."""
    current = request_id.get() or "none"
    sentence = f"the service made a mistake; its log has it under the request id {current}"
    return _response(500, sentence, type(error).__name__, {REQUEST_ID_HEADER: current})
