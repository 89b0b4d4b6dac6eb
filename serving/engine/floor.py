"""``python -m serving.engine.floor``: what a photo costs without a server: decode, preprocess and session in turn.

Reads orders from stdin, a JSON document a line, such as ``{"photo": "photo.jpg", "models": ["orientation"],
"seconds": 1}``, and answers each with one such as ``{"images": 245}``. loadtest/bench.py compares it with the server.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

from models.images import Size, decode
from models.repository import ModelRepository
from serving.engine.onnx_model import OnnxModel
from serving.settings import Settings


def answer(models: Sequence[OnnxModel], photo: bytes) -> None:
    """What the service does for one photo, and nothing else."""
    wanted = [model.metadata.preprocessing for model in models]
    image = decode(photo, Size(max(one.width for one in wanted), max(one.height for one in wanted)))
    for model, preprocessing in zip(models, wanted, strict=True):
        model.run([preprocessing.apply(image)])


def run(models: Mapping[str, OnnxModel], order: Mapping[str, Any]) -> int:
    """Answers one photo again and again for so many seconds; returns how often."""
    photo, asked = Path(order["photo"]).read_bytes(), [models[name] for name in order["models"]]
    images, until = 0, monotonic() + order["seconds"]
    while monotonic() < until:
        answer(asked, photo)
        images += 1
    return images


def main() -> None:
    """Obeys orders until stdin ends."""
    settings = Settings.load()
    repository = ModelRepository(settings.models)
    models = {name: OnnxModel(repository.path(name), settings.device) for name in repository.list()}
    for model in models.values():
        model.prove()
    for line in sys.stdin:
        sys.stdout.write(json.dumps({"images": run(models, json.loads(line))}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
