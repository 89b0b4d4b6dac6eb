"""The calls of the model repository extension, for HTTP and gRPC."""

from collections.abc import Iterable

from models.errors import RequestError
from serving.open_inference.messages import IndexEntry
from serving.service import PredictionService

_READY = "READY"


async def read_index(service: PredictionService, only_ready: bool) -> list[IndexEntry]:
    """Every version on disk or in memory, or only those that can be asked."""
    states = await service.registry.index()
    wanted = (state for state in states if state.state == _READY or not only_ready)
    return [IndexEntry(name=one.name, version=one.version, state=one.state, reason=one.reason) for one in wanted]


def refuse_overrides(parameters: Iterable[str]) -> None:
    """A model's file says all of it; Triton's clients could send another configuration, or even other files.

    Raises:
        RequestError: there is such a parameter.
    """
    for name in parameters:
        if name == "config" or name.startswith("file:"):
            raise RequestError(
                f"the parameter {name[:100]!r} is not allowed: a model is loaded as its file is published"
            )
