"""BentoML: a service class whose call takes a Pillow image of a form."""

import os
import sys
from pathlib import Path

import bentoml
from PIL import Image

from loadtest.work import Work


@bentoml.service(traffic={"timeout": 300})
class Photo:
    """Answers one photo."""

    def __init__(self) -> None:
        self.work = Work(Path(os.environ["MODEL"]))

    @bentoml.api
    def predict(self, photo: Image.Image) -> dict[str, list[float]]:
        """The probabilities of one photo."""
        return {"probabilities": self.work.run(self.work.pixels(photo.convert("RGB")))[0].tolist()}


if __name__ == "__main__":
    command = [sys.executable, "-m", "bentoml", "serve", "loadtest.peers.bentoml_app:Photo"]
    os.execv(command[0], [*command, "--host", "127.0.0.1", "--port", os.environ["PORT"]])  # noqa: S606 - what is documented
