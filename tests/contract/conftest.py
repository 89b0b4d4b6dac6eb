"""Real servers, as a person starts them, and models that are trained on the spot."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from models.images import Size, decode
from models.metadata import ModelMetadata
from models.repository import ModelRepository, read_metadata

if TYPE_CHECKING:  # TensorFlow takes seconds to import, and most contracts need none
    import keras

ROOT = Path(__file__).parents[2]
READY = "Loupe is ready at "


@contextmanager
def serving(models: Path) -> Iterator[str]:
    """Runs ``loupe serve`` on a free port; yields its URL."""
    command = [sys.executable, "-m", "serving.commands.cli", "serve", "--models", str(models), "--port", "0"]
    environment = {"LOUPE_LOG_LEVEL": "warning"} | os.environ
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield next(line for line in server.stdout if line.startswith(READY)).removeprefix(READY).strip()
        finally:
            server.terminate()


@pytest.fixture(scope="session")
def shipped_url() -> Iterator[str]:
    """A server of the models that the repository ships."""
    with serving(ROOT / "models") as url:
        yield url


@pytest.fixture
def serve() -> Iterator[Callable[[Path], str]]:
    """Starts a server of another repository and returns its URL."""
    with ExitStack() as stack:
        yield lambda models: stack.enter_context(serving(models))


ORIENTATION = """
name = "orientation"
task = "orientation"
description = "One epoch of the talk's network, on 64 x 64 pixels."

[input]
height = 64
width = 64

[architecture]
name = "orientation_talk"

[fit]
epochs = 1
batch_size = 16

[augmentation]
mirror = true
min_area = 0.8
"""

SELFIE = """
name = "selfie"
task = "selfie"
description = "One epoch of the talk's network."
decision_threshold = 0.4

[input]
height = 20
width = 20
channels = 1
fit = "center_crop"

[architecture]
name = "selfie_talk"

[fit]
epochs = 1
batch_size = 16
dtype_policy = "mixed_bfloat16"
"""


RECIPES = {"orientation": ORIENTATION, "selfie": SELFIE}


@dataclass(frozen=True)
class Published:
    """A model as it was trained, and what its published file says of itself."""

    network: "keras.Model"
    metadata: ModelMetadata

    def probabilities(self, photos: Iterable[bytes], at_least: Size | None = None) -> np.ndarray:
        """What Keras answers about encoded photos, ``float32[N,K]``; decoded for this model or for a larger one."""
        preprocessing = self.metadata.preprocessing
        pixels = [preprocessing.apply(decode(photo, at_least or preprocessing.size)) for photo in photos]
        return self.network.predict(np.stack(pixels), verbose=0)


@dataclass(frozen=True)
class Trained:
    """Both networks of the talks after one epoch, and the URL of a server of what was published."""

    models: dict[str, Published]
    url: str


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory, photographs: dict[str, bytes]) -> Path:
    """``selfie/`` and ``not_selfie/``: 120 pieces of real photographs, of which only the labels are made up."""
    root = tmp_path_factory.mktemp("photos")
    for label, names in (("selfie", ("astronaut", "chelsea")), ("not_selfie", ("coffee", "china"))):
        (root / label).mkdir()
        for name in names:
            image = Image.open(BytesIO(photographs[name])).convert("RGB")
            for index in range(30):
                left, top = 50 * (index % 6), 45 * (index // 6)
                image.crop((left, top, left + 90, top + 80)).save(root / label / f"{name}{index:02}.jpg", quality=90)
    return root


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Iterator[Trained]:
    """Trains, exports, measures and publishes, and serves the result."""
    root = tmp_path_factory.mktemp("trained")
    published = {name: _train_and_publish(root, name, recipe, photos) for name, recipe in RECIPES.items()}
    with serving(root / "models") as url:
        yield Trained(published, url)


def _uncalibrated(photos: Path, task: str, root: Path) -> Path:
    """A manifest without a calibration split: a temperature fitted on it would come between Keras' answers and ours."""
    from training.photos.scan import scan
    from training.photos.tasks import task_named

    manifest = scan([photos], task_named(task))
    kept = replace(manifest, photos=tuple(photo for photo in manifest.photos if photo.split != "calibration"))
    kept.write(root / f"{task}.csv")
    return root / f"{task}.csv"


def _train_and_publish(root: Path, name: str, recipe: str, photos: Path) -> Published:
    from training.fitting.fit import new_network
    from training.graph.export import serving_model
    from training.pipeline import beginning, judging, pipeline
    from training.shipping.promotion import publish

    (root / f"{name}.toml").write_text(recipe)
    run = beginning.begin(root / f"{name}.toml", [_uncalibrated(photos, name, root)], root / "runs" / name)
    pipeline.train(run, resume=False)
    pipeline.export_run(run)
    judging.evaluate_run(run)
    path = publish(run.folder.onnx.read_bytes(), ModelRepository(root / "models"))
    network = new_network(run.recipe, run.task, "float32")
    network.load_weights(run.folder.best_weights)
    return Published(serving_model(network), read_metadata(path.read_bytes()))
