"""Ray Serve: the same application as a deployment, ``serve run serving.scaleout.ray_serve:app``.

Settings are the replicas' ``LOUPE_…`` variables. Host and port are Ray's: its proxies stand before the replicas.
"""

import ray
from fastapi import FastAPI
from ray import serve
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from models.errors import NotReadyError
from serving.http.app import create_app
from serving.scaleout.ray_grpc import Answers, OpenInference
from serving.settings import Settings

_ONGOING = 1024
"""Requests in one replica: beyond Ray's bound of five it would answer with its own 503; Loupe has bounds of its own."""


def replica_settings() -> Settings:
    """Those of the environment, with a thread for each core that Ray gave this actor, where their number is not set.

    Raises:
        SettingsError: a variable is wrong.
    """
    settings = Settings.load()
    if settings.threads is not None:
        return settings
    cores = ray.get_runtime_context().get_assigned_resources().get("CPU", 1)
    return settings.model_copy(update={"threads": max(1, int(cores))})


class _Bytes:
    """Ray's proxy in Python gets answers pickled, and a view of memory cannot be pickled."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_bytes(message: Message) -> None:
            body = message.get("body")
            await send({**message, "body": bytes(body)} if isinstance(body, memoryview) else message)

        await self._app(scope, receive, send_bytes)


@serve.deployment(name="loupe", max_ongoing_requests=_ONGOING)
@serve.ingress()
class Loupe(OpenInference):
    """One replica: the application, its service and its models, over HTTP and gRPC."""

    app: FastAPI

    def __serve_build_asgi_app__(self) -> FastAPI:
        """What Ray asks for once, before the first request.

        Raises:
            LoupeError: as ``create_app``; the replica does not start.
        """
        built = create_app(replica_settings())
        assert built.middleware_stack is not None  # noqa: S101 - create_app made it
        built.middleware_stack = _Bytes(built.middleware_stack)
        self.answers = Answers(built.state.service, built.state.metrics, built.state.keys)
        return built

    async def reconfigure(self, user_config: dict[str, object]) -> None:
        """``serve deploy`` with another ``user_config`` has every replica look for versions anew, as SIGHUP does."""
        await self.app.state.service.registry.refresh()

    def check_health(self) -> None:
        """Ray replaces a replica that raises.

        Raises:
            NotReadyError: a model's session hangs.
        """
        if (why := self.app.state.service.unready) is not None:
            raise NotReadyError(why)


app = Loupe.bind()  # type: ignore[attr-defined]  # the decorator makes a deployment of the class
