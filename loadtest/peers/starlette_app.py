"""The least server that we could write: Starlette alone, one process, two threads, no limits, no checks."""

import asyncio
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from loadtest.work import Work, scaled

_THREADS = 2


class App:
    """Answers an encoded photo, or pixels that are ready."""

    def __init__(self, model: Path) -> None:
        self._work = Work(model)
        self._pool = ThreadPoolExecutor(_THREADS)

    async def predict(self, request: Request) -> Response:
        """``POST /predict``: an encoded photo."""
        body = await request.body()
        return Response(await asyncio.get_running_loop().run_in_executor(self._pool, self._photo, body), 200, _JSON)

    async def tensor(self, request: Request) -> Response:
        """``POST /tensor``: the bytes of ``uint8[N, H, W, C]`` and nothing else."""
        body = await request.body()
        return Response(await asyncio.get_running_loop().run_in_executor(self._pool, self._pixels, body), 200, _JSON)

    async def ready(self, _: Request) -> Response:
        """``GET /ready``."""
        return PlainTextResponse("ready")

    def _photo(self, photo: bytes) -> bytes:
        work = self._work
        return _encoded(work.run(work.pixels(scaled(photo, work.size))).tolist())

    def _pixels(self, pixels: bytes) -> bytes:
        (width, height), channels = self._work.size, self._work.channels
        return _encoded(self._work.run(np.frombuffer(pixels, np.uint8).reshape(-1, height, width, channels)).tolist())


_JSON = {"Content-Type": "application/json"}


def _encoded(probabilities: list[list[float]]) -> bytes:
    return json.dumps({"probabilities": probabilities}).encode()


def main() -> None:
    """Serves until it is ended."""
    app = App(Path(os.environ["MODEL"]))
    routes = [
        Route("/predict", app.predict, methods=["POST"]),
        Route("/tensor", app.tensor, methods=["POST"]),
        Route("/ready", app.ready),
    ]
    uvicorn.run(Starlette(routes=routes), port=int(os.environ["PORT"]), access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
