"""Tiny real models, a real server, and real photos."""

import resource
import socket
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from models.metadata import GoldenSample, Label, ModelMetadata
from models.onnx_file import graph_sha256, with_properties
from models.preprocessing import Preprocessing
from models.repository import ModelRepository
from serving.access.listening import listen
from serving.http.app import create_app
from serving.http.server import Server
from serving.service import PredictionService
from serving.settings import Settings

SIDES = ("up", "right", "down", "left")
CLOCKWISE = {"up": 0, "right": 270, "down": 180, "left": 90}
SIZE = 32
PATIENT_S = 60  # on cores that are shared, whoever asks in parallel would be refused now and then
_PATH = "/v1/models/orientation:predict"


class Zoo:
    """Makes pictures and models; tests get it as the fixture ``zoo``, as test modules import no other."""

    sides = SIDES

    @staticmethod
    def encode(image: Image.Image, kind: str = "JPEG", **options) -> bytes:
        buffer = BytesIO()
        image.save(buffer, kind, **options)
        return buffer.getvalue()

    @staticmethod
    def lit(side: str = "up", size: tuple[int, int] = (SIZE, SIZE)) -> Image.Image:
        """A picture whose sky lies at this side."""
        pixels = np.full((SIZE, SIZE, 3), 60, np.uint8)
        pixels[: SIZE // 2] = 180
        picture = Image.fromarray(np.rot90(pixels, -SIDES.index(side)).copy())  # np.rot90 turns counter-clockwise
        return picture.resize(size, Image.Resampling.NEAREST)

    @classmethod
    def png(cls, side: str = "up", size: tuple[int, int] = (SIZE, SIZE)) -> bytes:
        return cls.encode(cls.lit(side, size), "PNG")

    @classmethod
    def golden(cls, probabilities: tuple[float, ...]) -> GoldenSample:
        return GoldenSample(png=b64encode(cls.png()).decode(), probabilities=probabilities)

    @classmethod
    def with_threshold(cls, certain_from: float | None) -> bytes:
        """A model of skies that is certain from this probability on, or never."""
        turns = [(side, {"rotate_clockwise": CLOCKWISE[side]}) for side in SIDES]
        labels = [Label(name=side, certain_from=certain_from, attributes=attributes) for side, attributes in turns]
        return cls.orientation(labels=labels)

    @classmethod
    def stubborn(cls) -> bytes:
        """A model that finds the top of every picture at its right."""
        weights = np.zeros((SIZE * SIZE * 3, 4))
        weights[:, 1] = 40 / len(weights)
        return cls.orientation(graph=linear_graph(weights, (SIZE, SIZE, 3)), golden_samples=[])

    @classmethod
    def orientation(cls, graph: bytes | None = None, **facts) -> bytes:
        """A model that is right about skies."""
        exponentials = np.exp(np.array([180, 120, 60, 120]) * 40 / 255)
        known = {
            "name": "orientation",
            "version": 1,
            "labels": [
                Label(name=side, certain_from=0.9, attributes={"rotate_clockwise": CLOCKWISE[side]}) for side in SIDES
            ],
            "preprocessing": Preprocessing(height=SIZE, width=SIZE),
            "golden_samples": [cls.golden(tuple(map(float, exponentials / exponentials.sum())))],
        }
        return cls.stamp(graph or linear_graph(side_weights(), (SIZE, SIZE, 3)), **(known | facts))

    @classmethod
    def selfie(cls, **facts) -> bytes:
        """A model of two labels: the second is likelier where the top half is brighter than the bottom half."""
        known = {
            "name": "selfie",
            "version": 3,
            "labels": [Label(name="not_selfie", certain_from=0.0), Label(name="selfie", certain_from=0.0)],
            "preprocessing": Preprocessing(height=20, width=20, channels=1, fit="center_crop"),
            "decision_threshold": 0.4,
        }
        return cls.stamp(linear_graph(top_weights(), (20, 20, 1)), **(known | facts))

    @classmethod
    def of_shape(
        cls, name: str, *, height: int, width: int, channels: int, labels: Sequence[str] = ("a", "b"), **facts
    ) -> bytes:
        """A model that takes pictures of this shape."""
        values = height * width * channels
        weights = np.linspace(-1, 1, values * len(labels)).reshape(values, -1) / (height * width)
        return cls.stamp(
            linear_graph(weights, (height, width, channels)),
            name=name,
            version=1,
            labels=[Label(name=label) for label in labels],
            preprocessing=Preprocessing(height=height, width=width, channels=channels),
            **facts,
        )

    @staticmethod
    def stamp(graph: bytes, **facts) -> bytes:
        metadata = ModelMetadata.model_validate({"graph_sha256": graph_sha256(graph), **facts})
        return with_properties(graph, metadata.to_properties())

    @staticmethod
    def publish(root: Path, *models: bytes) -> Path:
        for model in models:
            ModelRepository(root).publish(model, "# card")
        return root


def linear_graph(weights: np.ndarray, shape: tuple[int, int, int]) -> bytes:
    """uint8[N, *shape] → softmax(pixels in [0, 1] @ weights)."""
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["float"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", *shape])
    probabilities = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", weights.shape[1]])
    constants = [numpy_helper.from_array((weights / 255).astype(np.float32), "weights")]
    graph = helper.make_graph(nodes, "linear", [image], [probabilities], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10).SerializeToString()


def side_weights() -> np.ndarray:
    """A column for each side: 40 x the mean of the half of the picture that lies there."""
    halves = np.zeros((SIZE, SIZE, 3, 4))
    half = SIZE // 2
    halves[:half, ..., 0] = halves[:, half:, :, 1] = halves[half:, ..., 2] = halves[:, :half, :, 3] = 1
    return 40 * halves.reshape(-1, 4) / halves[..., 0].sum()


def top_weights() -> np.ndarray:
    weights = np.zeros((20, 20, 2))
    weights[:10, :, 1] = weights[10:, :, 0] = 10 / 200
    return weights.reshape(-1, 2)


@pytest.fixture(scope="session")
def zoo() -> type[Zoo]:
    return Zoo


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Zoo.publish(tmp_path_factory.mktemp("models"), Zoo.orientation(), Zoo.selfie())


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """Runs the real server in a thread; yields its URL."""
    ready = threading.Event()
    server = Server(create_app(settings), listen("127.0.0.1", 0), settings, on_ready=lambda _: ready.set())
    thread = threading.Thread(target=server.serve_until_stopped)
    thread.start()
    try:
        assert ready.wait(30)
        yield server.url
    finally:
        server.should_exit = True
        thread.join(30)


@pytest.fixture(scope="session")
def url(models: Path) -> Iterator[str]:
    with serving(Settings(models=models, max_wait_s=PATIENT_S)) as address:
        yield address


@pytest.fixture(scope="session")
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=30) as session:
        yield session


@pytest.fixture
def serve_with(models: Path) -> Iterator[Callable[..., httpx.Client]]:
    """Starts further servers, with other settings; ``patient=False``: with the default of how long one may wait."""
    with ExitStack() as stack:

        def start(*, patient: bool = True, **settings) -> httpx.Client:
            waits = {"max_wait_s": PATIENT_S} if patient else {}
            address = stack.enter_context(serving(Settings(**{"models": models, **waits, **settings})))
            return stack.enter_context(httpx.Client(base_url=address, timeout=30))

        yield start


@pytest.fixture
def full(serve_with: Callable[..., httpx.Client]) -> Iterator[httpx.Client]:
    """A server whose places are all taken by somebody who has a long time to wait, and leaves at the end."""
    client = serve_with(max_queued_images=20, max_request_images=20, threads=1, cors_origins="https://a.example")
    address = urlsplit(str(client.base_url))
    slow = Zoo.png(size=(7000, 7000))
    request = client.build_request("POST", _PATH, files=[("image", (str(number), slow)) for number in range(20)])
    body = request.read()
    head = f"POST {_PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    with socket.create_connection((address.hostname, address.port)) as inside:
        inside.sendall(f"{head}Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode() + body)
        for _ in range(1000):
            if "loupe_held_images 20" in client.get("/metrics").text:
                break
        yield client


@pytest.fixture
def service(models: Path) -> Iterator[PredictionService]:
    loaded = PredictionService.load(Settings(models=models))
    yield loaded
    loaded.close()


@pytest.fixture
def full_disk() -> Callable[[int], AbstractContextManager[None]]:
    """``with full_disk(1000):`` no file can grow beyond so many bytes."""

    @contextmanager
    def full_disk(size: int) -> Iterator[None]:
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    return full_disk
