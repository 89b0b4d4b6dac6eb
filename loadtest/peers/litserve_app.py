"""LitServe: a class whose steps run in a process of their own; the photo is base64 in JSON.

One photo at a time, as is its default: with batches and no time to wait for them, its process asks its queue without
pause, and an idle LitServe takes the whole core from everybody else that is measured.
"""

import base64
import os
from pathlib import Path

import litserve
import numpy as np
from fastapi import Request
from numpy.typing import NDArray

from loadtest.work import Work, whole


class PhotoAPI(litserve.LitAPI):
    """Decodes, answers, and writes the answer."""

    def setup(self, device: str) -> None:
        """Loads the model; the device is the CPU."""
        self.work = Work(Path(os.environ["MODEL"]))

    def decode_request(self, request: Request) -> NDArray[np.uint8]:
        """``uint8[1, H, W, C]``. A form's file cannot be handed to the process that decodes it."""
        return self.work.pixels(whole(base64.b64decode(request["photo"])))

    def predict(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """``float32[1, K]``."""
        return self.work.run(pixels)

    def encode_response(self, output: NDArray[np.float32]) -> dict[str, list[float]]:
        """The answer."""
        return {"probabilities": output[0].tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(PhotoAPI(), accelerator="cpu", timeout=False)
    server.run(host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning", generate_client_file=False)
