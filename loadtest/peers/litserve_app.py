"""LitServe: a class whose steps run in a process of their own, batches of what waits; the photo is base64 in JSON."""

import base64
import os
from pathlib import Path

import litserve
import numpy as np
from fastapi import Request
from numpy.typing import NDArray

from loadtest.work import Work, whole

_LARGEST_BATCH = 8


class PhotoAPI(litserve.LitAPI):
    """Decodes, answers a batch, and writes an answer for each."""

    def setup(self, device: str) -> None:
        """Loads the model; the device is the CPU."""
        self.work = Work(Path(os.environ["MODEL"]))

    def decode_request(self, request: Request) -> NDArray[np.uint8]:
        """``uint8[H, W, C]``. A form's file cannot be handed to the process that decodes it."""
        pixels = self.work.pixels(whole(base64.b64decode(request["photo"])))
        return pixels.reshape(pixels.shape[1:])

    def predict(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """``float32[N, K]`` of ``uint8[N, H, W, C]``."""
        return self.work.run(np.asarray(batch))

    def encode_response(self, output: NDArray[np.float32]) -> dict[str, list[float]]:
        """One photo's answer."""
        return {"probabilities": output.tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(PhotoAPI(max_batch_size=_LARGEST_BATCH), accelerator="cpu", timeout=False)
    server.run(host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning", generate_client_file=False)
