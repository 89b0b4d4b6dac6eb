"""A tiny model that is right about skies, and real servers of it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from models.drift import Histogram, Reference
from models.metadata import Label, ModelMetadata
from models.onnx_file import graph_sha256, with_properties
from models.preprocessing import Preprocessing
from models.repository import ModelRepository
from serving.access.listening import listen
from serving.http.app import create_app
from serving.http.server import Server
from serving.settings import Settings

CLOCKWISE = {"up": 0, "right": 270, "down": 180, "left": 90}
SIDES = tuple(CLOCKWISE)
SIZE = 32


def sky(side: str = "up", size: tuple[int, int] = (SIZE, SIZE)) -> Image.Image:
    """A picture that is brighter at this side."""
    pixels = np.full((SIZE, SIZE, 3), 60, np.uint8)
    pixels[: SIZE // 2] = 180
    turned = np.rot90(pixels, -SIDES.index(side))  # np.rot90 turns counter-clockwise
    return Image.fromarray(turned.copy()).resize(size, Image.Resampling.NEAREST)


def encode(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def sky_model(name: str, labels: tuple[Label, ...], reference: Reference | None = None) -> bytes:
    """softmax(40 x the mean of the half of the picture that lies at each label's side)."""
    halves = np.zeros((SIZE, SIZE, 3, 4), np.float32)
    half = SIZE // 2
    halves[:half, ..., 0] = halves[:, half:, :, 1] = halves[half:, ..., 2] = halves[:, :half, :, 3] = 1
    weights = (40 * halves / halves[..., 0].sum() / 255).reshape(-1, 4)[:, : len(labels)]
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["float"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", SIZE, SIZE, 3])
    probabilities = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", len(labels)])
    graph = helper.make_graph(nodes, "g", [image], [probabilities], [numpy_helper.from_array(weights, "weights")])
    data = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10).SerializeToString()
    metadata = ModelMetadata(
        name=name,
        version=1,
        labels=labels,
        preprocessing=Preprocessing(height=SIZE, width=SIZE),
        graph_sha256=graph_sha256(data),
        reference=reference,
    )
    return with_properties(data, metadata.to_properties())


@pytest.fixture(scope="session")
def pictures() -> Callable[..., bytes]:
    """Encoded skies: ``pictures("left", (640, 480))``."""
    return lambda side="up", size=(SIZE, SIZE), kind="PNG", **options: encode(sky(side, size), kind, **options)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``orientation``, and ``lit`` with two labels, without attributes, and with a reference to tell drift by."""
    repository = ModelRepository(tmp_path_factory.mktemp("models"))
    sides = [Label(name=side, certain_from=0.9, attributes={"rotate_clockwise": CLOCKWISE[side]}) for side in SIDES]
    repository.publish(sky_model("orientation", tuple(sides)), "")
    lit = Label(name="above", certain_from=0.0), Label(name="right", certain_from=0.0)
    dark = Reference(pictures=4, features={"brightness": Histogram(edges=(100, 200), counts=(3, 1, 0))})
    repository.publish(sky_model("lit", lit, dark), "")
    return repository.root


@contextmanager
def running(settings: Settings) -> Iterator[str]:
    ready = threading.Event()
    listener = listen(settings.host, settings.port)
    server = Server(create_app(settings), listener, settings, on_ready=lambda _: ready.set())
    thread = threading.Thread(target=server.serve_until_stopped)
    thread.start()
    try:
        assert ready.wait(30)
        yield server.url
    finally:
        server.should_exit = True
        thread.join(30)


@pytest.fixture
def serve(models: Path) -> Iterator[Callable[..., str]]:
    """Starts a server with these settings; returns its URL."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(running(Settings(**{"models": models, "port": 0} | settings)))


@pytest.fixture(scope="session")
def url(models: Path) -> Iterator[str]:
    with running(Settings(models=models, port=0)) as address:
        yield address
