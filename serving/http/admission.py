"""What is not let in: calls that there is no room for, and queries that FastAPI would be long at.

That the house is full for everyone is told earlier, in refusing.py.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from models.errors import QueueFullError, RequestError
from serving.access.callers import network_of
from serving.engine.budget import Caller, caller
from serving.http.errors import error_response
from serving.http.forms.parameters import refuse_many_fields
from serving.http.refusing import PREDICTING
from serving.service import PredictionService


def let_in(scope: Scope, service: PredictionService) -> None:
    """Names the caller of a call that predicts, and looks whether there is room for it.

    Raises:
        QueueFullError: there is no room for an image more, or none for this caller.
    """
    if caller.get() is None:  # no key was asked for
        caller.set(Caller(network_of((scope.get("client") or ("",))[0])))
    service.refuse_if_full()


class RefuseWhenFull:
    """ASGI middleware: 429 for calls that predict while there is no room for an image more, or none for this caller."""

    def __init__(self, app: ASGIApp, service: PredictionService) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["method"] == "POST" and scope["path"].endswith(PREDICTING):
            try:
                let_in(scope, self._service)
            except QueueFullError as error:
                await error_response(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class RefuseLongQuery:
    """ASGI middleware: 400 for a query of more fields than any call has; FastAPI parses it whatever the call is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        try:
            refuse_many_fields(scope["query_string"].decode("latin-1"))
        except RequestError as error:
            await error_response(error)(scope, receive, send)
            return
        await self._app(scope, receive, send)
