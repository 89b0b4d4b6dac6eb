"""A full house says so before anything else is done for a request: under load, that must cost next to nothing."""

from starlette.types import ASGIApp, Receive, Scope, Send

from models.errors import QueueFullError
from serving.access.callers import network_of
from serving.engine.budget import Caller, caller
from serving.http.errors import error_response
from serving.service import PredictionService

_PREDICTING = (":predict", "/v1/predict", "/infer", "/v1/upright")


class RefuseWhenFull:
    """ASGI middleware: 429 for calls that predict while there is no room for one image more, or none for this caller.

    Through the routes, a refusal took as much of the event loop as an answer, and at four times the capacity there was
    no time left for either.
    """

    def __init__(self, app: ASGIApp, service: PredictionService) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"].endswith(_PREDICTING):
            if caller.get() is None:  # no key was asked for
                caller.set(Caller(network_of((scope.get("client") or ("",))[0])))
            try:
                self._service.refuse_if_full()
            except QueueFullError as error:
                await error_response(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)
