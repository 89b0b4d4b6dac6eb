"""Drift, from the photos that a service is asked about to what Prometheus and people are told."""

import asyncio
from collections.abc import Sequence
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from models.drift import EDGES, Histogram, Reference, Shape, light, stability_index
from models.images import decode
from models.metadata import ModelMetadata
from models.repository import ModelRepository, read_metadata
from serving.engine.onnx_model import OnnxModel
from serving.observability.drift import BLOCK, BLOCKS, ENOUGH, Drift
from serving.observability.metrics import Metrics
from serving.service import PredictionService
from serving.settings import Settings

EDGES_OF_ALL = {**EDGES, "label": (0.5, 1.5, 2.5)}


@pytest.fixture(scope="module")
def pieces(photographs) -> list[Image.Image]:
    """Of real photographs, 300 in many sizes."""
    whole = [Image.open(BytesIO(data)).convert("RGB") for data in photographs.values()]
    generator = np.random.default_rng(0)
    found = []
    for index in range(300):
        picture, (width, height) = whole[index % len(whole)], generator.integers(40, 160, 2).tolist()
        left, top = generator.integers(0, picture.width - width), generator.integers(0, picture.height - height)
        found.append(picture.crop((left, top, left + width, top + height)))
    return found


@pytest.fixture(scope="module")
def photos(pieces, zoo) -> list[bytes]:
    return [zoo.encode(piece, "JPEG", quality=90) for piece in pieces]


@pytest.fixture(scope="module")
def dark(pieces, zoo) -> list[bytes]:
    return [zoo.encode(piece.point(lambda value: value // 4), "JPEG", quality=90) for piece in pieces]


@pytest.fixture(scope="module")
def referred(tmp_path_factory, zoo, photos):
    """The model of skies, whose file says what these photos look like to it."""
    bare = ModelRepository(tmp_path_factory.mktemp("bare")).publish(zoo.orientation(), "")
    reference = reference_of(OnnxModel(bare, "cpu"), photos)
    return zoo.publish(tmp_path_factory.mktemp("models"), zoo.orientation(reference=reference), zoo.selfie())


def reference_of(model: OnnxModel, photos: Sequence[bytes]) -> Reference:
    values = {feature: [] for feature in EDGES_OF_ALL}
    for photo in photos:
        pixels = model.metadata.preprocessing.apply(decode(photo, model.metadata.preprocessing.size))
        index, probability, certain = model.metadata.decide(model.run([pixels])[0])
        whole = Image.open(BytesIO(photo))
        said = {"probability": probability, "certain": certain, "label": index}
        said |= dict(zip(("brightness", "contrast"), light(pixels), strict=True))
        said |= {"size": whole.width * whole.height / 1e6, "aspect": max(whole.size) / min(whole.size)}
        for feature, value in said.items():
            values[feature].append(value)
    features = {feature: Histogram.of(values[feature], edges) for feature, edges in EDGES_OF_ALL.items()}
    return Reference(pictures=len(photos), features=features)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(drift=Drift(one_in=1, every_s=0))


@pytest.fixture
def service(referred, metrics):
    loaded = PredictionService.load(Settings(models=referred, max_wait_s=600), metrics)
    metrics.watch(loaded)
    yield loaded
    loaded.close()


def ask(service: PredictionService, photos: Sequence[bytes]) -> None:
    for start in range(0, len(photos), 50):
        asyncio.run(service.predict(["orientation", "selfie"], photos[start : start + 50]))


def told(metrics: Metrics) -> dict[str, float]:
    lines = [
        line for line in asyncio.run(metrics.scrape(""))[0].decode().splitlines() if line.startswith("loupe_drift{")
    ]
    assert all('model="orientation"' in line and 'version="1"' in line for line in lines)
    return {line.split('feature="')[1].split('"')[0]: float(line.split()[-1]) for line in lines}


def test_a_bootstrap_of_its_own_photos_is_no_drift_and_dark_copies_are(service, metrics, photos, dark):
    draws = np.random.default_rng(1).integers(0, len(photos), 600)
    ask(service, [photos[index] for index in draws[:300]])
    assert told(metrics) == {}  # too few to tell
    ask(service, [photos[index] for index in draws[300:]])
    first = told(metrics)
    assert set(first) == set(EDGES_OF_ALL)
    assert max(first.values()) < 0.1
    counted = metrics.drift.of(service.classifiers["orientation"].metadata)
    assert {(sum(one.counts), one.pictures) for one in counted.values()} == {(600, 600)}
    ask(service, dark)
    second = told(metrics)
    assert second["brightness"] > 0.25
    assert second["contrast"] > 0.25
    assert second["size"] < 0.1
    assert second["aspect"] < 0.1


@pytest.fixture(scope="module")
def metadata(referred) -> ModelMetadata:
    return read_metadata(ModelRepository(referred).path("orientation").read_bytes())


def test_the_window_forgets_whole_blocks(metadata):
    drift, row = Drift(one_in=1, every_s=0), np.array([[1, 0, 0, 0]], np.float32)
    for value, count in ((0, BLOCK * BLOCKS), (255, BLOCK + 1)):
        for _ in range(count):
            drift.saw(metadata, [np.full((8, 8, 3), value, np.uint8)], row)
    counts = drift.of(metadata)["brightness"].counts
    assert (counts[0], counts[-1], sum(counts)) == (BLOCK * (BLOCKS - 2), BLOCK + 1, BLOCK * (BLOCKS - 1) + 1)


def test_however_many_come_few_are_looked_at(metadata):
    drift = Drift(one_in=1, every_s=3600)
    for _ in range(ENOUGH):
        drift.pictured(metadata, Shape(12, 1.33))
        drift.saw(metadata, [np.zeros((8, 8, 3), np.uint8)] * 2, np.full((2, 4), 0.25, np.float32))
    assert {one.pictures for one in drift.of(metadata).values()} == {1}


def test_of_four_pictures_one_is_looked_at(metadata):
    drift = Drift(every_s=0)
    drift.saw(metadata, [np.zeros((8, 8, 3), np.uint8)] * 10, np.full((10, 4), 0.25, np.float32))
    assert drift.of(metadata)["certain"].pictures == 2


def test_what_few_pictures_were_like_is_not_told(metadata):
    drift = Drift(one_in=1, every_s=0)
    drift.pictured(metadata, Shape(12, 1.33))
    assert (drift.of(metadata)["size"].counts, drift.of(metadata)["size"].index) == (None, None)


def test_a_file_that_takes_its_place_begins_anew(metadata):
    drift = Drift(one_in=1, every_s=0)
    drift.pictured(metadata, Shape(12, 1.33))
    again = metadata.model_copy(update={"reference": metadata.reference.model_copy()})
    assert drift.of(again)["size"].pictures == 0
    assert drift.of(metadata.model_copy(update={"reference": None})) == {}


def test_people_are_told_what_was_counted(referred, photos, serve_with):
    client = serve_with(models=referred)
    client.post("/v1/models/orientation:predict", files=[("image", photo) for photo in photos[:4]])
    answer = client.get("/v1/models/orientation/drift").json()
    assert (answer["version"], answer["reference_pictures"], answer["enough_pictures"]) == ("1", 300, ENOUGH)
    size = answer["features"]["size"]
    assert (size["index"], size["now"], size["pictures"]) == (None, None, 1)
    assert len(size["reference"]) == len(size["edges"]) + 1
    assert sum(size["reference"]) == pytest.approx(1, abs=1e-3)
    assert client.get("/v1/models/orientation/versions/1/drift").json()["features"].keys() == EDGES_OF_ALL.keys()
    assert "loupe_drift{" not in client.get("/metrics").text


def test_a_model_whose_file_tells_nothing_says_so(client):
    answer = client.get("/v1/models/selfie/drift")
    assert answer.status_code == 404
    assert answer.json() == {
        "error": "the file of selfie version 3 does not say what its own photos look like; "
        "`loupe-train reference` writes that into it",
        "error_type": "NoReferenceError",
    }
    assert client.get("/v1/models/selfie/versions/9/drift").json()["error_type"] == "ModelNotFoundError"


def test_the_index_is_of_the_counts(metadata):
    drift = Drift(one_in=1, every_s=0)
    for number in range(ENOUGH):
        drift.pictured(metadata, Shape(number / 100, 1.5))
    one = drift.of(metadata)["size"]
    assert one.index == stability_index(metadata.reference.features["size"].counts, one.counts)
