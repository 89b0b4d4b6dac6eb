"""What routes get from FastAPI."""

from typing import Annotated, cast

from fastapi import Depends, Request

from serving.service import PredictionService


async def _service(request: Request) -> PredictionService:
    """A coroutine, as FastAPI would send a plain function through its thread pool."""
    return cast(PredictionService, request.app.state.service)


Service = Annotated[PredictionService, Depends(_service)]
"""The loaded classifiers."""
