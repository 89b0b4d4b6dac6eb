"""What routes get from FastAPI."""

from dataclasses import dataclass, field
from time import perf_counter
from typing import Annotated, cast

from fastapi import Depends, Header, Request

from serving.access.control import check_token
from serving.service import PredictionService


async def _service(request: Request) -> PredictionService:
    """A coroutine, as FastAPI would send a plain function through its thread pool."""
    return cast(PredictionService, request.app.state.service)


Service = Annotated[PredictionService, Depends(_service)]
"""The loaded classifiers."""


@dataclass(frozen=True)
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


async def _admin(service: Service, request: Request) -> None:
    """Undeclared, as openapi.json has a security scheme for it."""
    check_token(service.settings, request.headers.get("authorization", ""))


Admin = Depends(_admin)
"""Lets control calls in: a route lists it among its ``dependencies``."""
