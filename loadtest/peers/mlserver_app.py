"""MLServer: a custom runtime with a custom endpoint, so that a photo need not be base64; no processes of its own."""

import asyncio
import os
from pathlib import Path

from fastapi import Request, Response
from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.handlers import custom_handler

from loadtest.work import Work, whole


class Photo(MLModel):
    """Answers an encoded photo."""

    async def load(self) -> bool:
        """Loads the model."""
        self.work = Work(Path(os.environ["MODEL"]))
        return True

    @custom_handler(rest_path="/predict")
    async def photo(self, request: Request) -> Response:
        """``POST /predict``."""
        probabilities = self.work.run(self.work.pixels(whole(await request.body())))[0]
        text = ", ".join(map(str, probabilities.tolist()))
        return Response(f'{{"probabilities": [{text}]}}', media_type="application/json")


async def main() -> None:
    """Serves until it is ended."""
    port = int(os.environ["PORT"])
    settings = Settings(
        host="127.0.0.1", http_port=port, grpc_port=0, metrics_endpoint=None, parallel_workers=0, debug=False,
        load_models_at_startup=False,
    )  # fmt: skip
    server = MLServer(settings)
    await server.start([ModelSettings(name="photo", implementation=Photo)])


if __name__ == "__main__":
    asyncio.run(main())
