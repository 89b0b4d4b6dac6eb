"""What routes get from FastAPI."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Annotated, cast

from fastapi import Depends, Header, Request, Response
from pydantic import Field, TypeAdapter, ValidationError
from starlette.datastructures import MutableHeaders

from models.errors import RequestError
from models.wrong_value import explain
from serving.access.control import check_token
from serving.http.routes.stream import Incoming
from serving.service import PredictionService


async def _service(request: Request) -> PredictionService:
    """A coroutine, as FastAPI would send a plain function through its thread pool."""
    return cast(PredictionService, request.app.state.service)


Service = Annotated[PredictionService, Depends(_service)]
"""The loaded classifiers."""


@dataclass(slots=True)
class _Patience:
    longest_s: float
    asked_s: float
    started: float = field(default_factory=perf_counter)

    @property
    def left_s(self) -> float:
        """Seconds until no answer is wanted: the caller's count from the headers on, ours once the body is there."""
        return min(self.longest_s, self.asked_s - (perf_counter() - self.started))


async def _patience(
    service: Service,
    request_timeout: Annotated[float | None, Header(gt=0, description="Seconds until no answer is wanted.")] = None,
) -> _Patience:
    longest_s = service.settings.request_timeout_s
    return _Patience(longest_s, longest_s * 2 if request_timeout is None else request_timeout)


Patience = Annotated[_Patience, Depends(_patience)]
"""How long the caller waits; its ``Request-Timeout`` may shorten ours."""

_TIMEOUT = "request-timeout"
_SECONDS = TypeAdapter(Annotated[float, Field(gt=0)])


def patience_of(service: PredictionService, headers: Mapping[str, str]) -> _Patience:
    """The same of a request's headers, where FastAPI does not read them.

    Raises:
        RequestError: ``Request-Timeout`` is no number above 0.
    """
    longest_s, given = service.settings.request_timeout_s, headers.get(_TIMEOUT)
    try:
        return _Patience(longest_s, longest_s * 2 if given is None else _SECONDS.validate_python(given))
    except ValidationError as error:
        [wrong] = error.errors(include_url=False)
        raise RequestError(f"the header parameter {_TIMEOUT} {explain(wrong)}") from None


@dataclass(slots=True)
class Call:
    """What every route gets that predicts.

    Attributes:
        request: the body is still to be read.
        headers: of the answer.
        service: the loaded classifiers.
        patience: how long the caller waits.
    """

    request: Request | Incoming
    headers: dict[str, str] | MutableHeaders
    service: PredictionService
    patience: _Patience


async def _call(request: Request, response: Response, service: Service, patience: Patience) -> Call:
    return Call(request, response.headers, service, patience)


Calling = Annotated[Call, Depends(_call)]
"""The same, from FastAPI."""


async def _admin(service: Service, request: Request) -> None:
    """Undeclared, as openapi.json has a security scheme for it."""
    check_token(service.settings, request.headers.get("authorization", ""))


Admin = Depends(_admin)
"""Lets control calls in: a route lists it among its ``dependencies``."""
