"""Tiny sets of real photographs, a run trained through the command line, and graphs whose answers are known."""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import settings
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from typer.testing import CliRunner

from models.metadata import ModelMetadata
from models.onnx_file import graph_sha256, with_properties
from models.preprocessing import Preprocessing
from models.repository import read_metadata
from training.commands.cli import app
from training.fitting.recipe import Recipe
from training.fitting.run_folder import RunFolder
from training.photos.manifest import Manifest, Photo
from training.photos.tasks import ORIENTATION, Task, task_named

if TYPE_CHECKING:
    from training.photos.dataset import Photos

settings.register_profile("shared cores", deadline=None)  # a test that waits for a core is not slow
settings.load_profile("shared cores")

CELL = 64  # pixels of a crop's side

RECIPE = """
name = "brightness"
task = "folders"
description = "Whether a photo is bright or dark."
decision_threshold = 0.5

[input]
height = 20
width = 20
channels = 1

[architecture]
name = "selfie_talk"
dropout = 0.2

[fit]
epochs = 6
batch_size = 2
learning_rate = 1e-3
schedule = "cosine"
warmup_epochs = 0.5
weight_decay = 0.01
patience = 6

[augmentation]
from_size = 24
mirror = true
min_area = 0.8
noise = 0.2
"""


@dataclass(frozen=True)
class Trained:
    """What ``loupe-train train … --publish`` left, without an interruption."""

    run: RunFolder
    recipe: Path
    photos: Path
    repository: Path
    output: str

    @property
    def manifest(self) -> Manifest:
        return Manifest.read(self.run.manifest)

    @property
    def metadata(self) -> ModelMetadata:
        return read_metadata(self.run.onnx.read_bytes())


class Workshop:
    """Makes pictures, graphs and photos; tests get it as the fixture ``workshop``, as test modules import no other."""

    recipe_text = RECIPE

    @staticmethod
    def encode(image: Image.Image, kind: str = "PNG", **options) -> bytes:
        buffer = BytesIO()
        image.save(buffer, kind, **options)
        return buffer.getvalue()

    @staticmethod
    def recipe(text: str = RECIPE, **sections: dict[str, object]) -> Recipe:
        """The recipe of the file, with some values of its sections changed."""
        document = tomllib.loads(text)
        for section, values in sections.items():
            document[section] = {**document.get(section, {}), **values} if isinstance(values, dict) else values
        return Recipe.model_validate(document)

    @staticmethod
    def photo(**facts) -> Photo:
        known = {
            "path": "a.jpg",
            "label": "cat",
            "group": "g",
            "split": "train",
            "sha256": "0" * 64,
            "bytes": 1,
            "width": 2,
            "height": 3,
            "dhash": "0" * 16,
            "source": "s",
            "licence": "CC0",
        }
        return Photo(**(known | facts))

    @staticmethod
    def halves(count: int, shape: tuple[int, int, int] = (20, 20, 1), seed: int = 0) -> "Photos":
        """Pictures whose upper half (label 0) or lower half (label 1) is brighter: anyone can tell them apart."""
        from training.photos.dataset import Photos  # it imports Keras, which takes seconds

        rng = np.random.default_rng(seed)
        labels = np.arange(count) % 2
        pixels = rng.integers(0, 100, (count, *shape))
        upper = np.arange(shape[0]) < shape[0] // 2
        pixels += 120 * (upper[None, :] == (labels == 0)[:, None])[:, :, None, None]
        return Photos(pixels.astype(np.uint8), labels, ("drawn",) * count)

    @staticmethod
    def two_labels() -> Task:
        return task_named("halves", ["upper", "lower"])

    @staticmethod
    def linear_graph(weights: np.ndarray, shape: tuple[int, int, int], bias: tuple[float, ...] = ()) -> bytes:
        """uint8[N, *shape] → softmax(pixels in [0, 1] @ weights + bias)."""
        nodes = [
            helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
            helper.make_node("Flatten", ["float"], ["flat"], axis=1),
            helper.make_node("MatMul", ["flat", "weights"], ["products"]),
            helper.make_node("Add", ["products", "bias"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ]
        image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", *shape])
        output = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", weights.shape[1]])
        constants = [
            numpy_helper.from_array((weights / 255).astype(np.float32), "weights"),
            numpy_helper.from_array(np.array(bias or [0.0] * weights.shape[1], np.float32), "bias"),
        ]
        graph = helper.make_graph(nodes, "linear", [image], [output], constants)
        opset = helper.make_opsetid("", 17)
        return helper.make_model(graph, opset_imports=[opset], ir_version=10).SerializeToString()

    @staticmethod
    def dense_graph(weights: np.ndarray, shape: tuple[int, int, int]) -> bytes:
        """As ``linear_graph``, of the form that training exports: opset 18, and a Gemm with a bias at the end."""
        nodes = [
            helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["float", "scale"], ["small"]),
            helper.make_node("Flatten", ["small"], ["flat"], axis=1),
            helper.make_node("Gemm", ["flat", "weights", "bias"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ]
        image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", *shape])
        output = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", weights.shape[1]])
        constants = {"scale": np.array(1 / 255), "weights": weights, "bias": np.zeros(weights.shape[1])}
        tensors = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()]
        graph = helper.make_graph(nodes, "dense", [image], [output], tensors)
        opset = helper.make_opsetid("", 18)
        return helper.make_model(graph, opset_imports=[opset], ir_version=10).SerializeToString()

    @classmethod
    def sky_model(cls, **facts) -> bytes:
        """A stamped orientation model of 16 x 16 x 3: the scene's top is where it is brightest."""
        weights = np.zeros((16, 16, 3, 4))
        weights[:8, ..., 0] = weights[:, 8:, :, 1] = weights[8:, ..., 2] = weights[:, :8, :, 3] = 40 / 384
        graph = cls.linear_graph(weights.reshape(-1, 4), (16, 16, 3))
        known = {
            "name": "orientation",
            "version": 1,
            "labels": ORIENTATION.labels,
            "preprocessing": Preprocessing(height=16, width=16),
            "graph_sha256": graph_sha256(graph),
        }
        metadata = ModelMetadata.model_validate(known | facts)
        return with_properties(graph, metadata.to_properties())


@pytest.fixture(scope="session")
def workshop() -> type[Workshop]:
    return Workshop


@pytest.fixture(scope="session")
def crops(photographs: dict[str, bytes]) -> list[Image.Image]:
    """About 320 pieces of real photographs, 64 x 64 RGB, none overlapping another."""
    pictures = [Image.open(BytesIO(data)).convert("RGB") for data in photographs.values()]
    return [
        picture.crop((left, top, left + CELL, top + CELL))
        for picture in pictures
        for top in range(0, picture.height - CELL + 1, CELL)
        for left in range(0, picture.width - CELL + 1, CELL)
    ]


@pytest.fixture(scope="session")
def upright_photos(tmp_path_factory: pytest.TempPathFactory, photographs: dict[str, bytes]) -> Path:
    """The six whole photographs as files."""
    folder = tmp_path_factory.mktemp("upright")
    for name, data in photographs.items():
        kind = "png" if data.startswith(b"\x89PNG") else "jpg"
        (folder / f"{name}.{kind}").write_bytes(data)
    return folder


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory, crops: list[Image.Image]) -> Path:
    """A set of one's own: ``bright/`` and ``dark/``, 120 real crops, told apart by their mean."""
    root = tmp_path_factory.mktemp("folders")
    ordered = sorted(crops, key=lambda crop: float(np.asarray(crop).mean()))
    for label, chosen in (("dark", ordered[:60]), ("bright", ordered[-60:])):
        (root / label).mkdir()
        for index, crop in enumerate(chosen):
            crop.save(root / label / f"{index:03}.png")
    return root


@pytest.fixture
def loupe_train() -> Callable[..., object]:
    """Runs the command in this process: TensorFlow is imported once."""
    return _loupe_train


def _loupe_train(*arguments: object) -> object:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, folders: Path) -> Trained:
    """The whole way on a tiny set, once for all tests that read its results. Don't change what lies there."""
    root = tmp_path_factory.mktemp("trained")
    recipe = root / "brightness.toml"
    recipe.write_text(RECIPE)
    arguments = ["train", recipe, folders, "--run", root / "runs/whole", "--publish", "--models", root / "models"]
    result = _loupe_train(*arguments)
    if result.exit_code:
        raise AssertionError(result.output) from result.exception
    return Trained(RunFolder(root / "runs/whole"), recipe, folders, root / "models", result.output)
