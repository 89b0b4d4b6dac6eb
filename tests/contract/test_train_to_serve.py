"""What training makes, serving serves: one epoch → export → publish → HTTP answers as Keras does."""

from io import BytesIO

import httpx
import numpy as np
import pytest
from PIL import Image

TOLERANCE = 1e-4


@pytest.fixture(scope="session")
def requests(photographs: dict[str, bytes]) -> dict[str, bytes]:
    """The six photographs as they are, and one in formats, sizes and modes that training never saw."""
    china = Image.open(BytesIO(photographs["china"]))
    made = {
        "large.jpg": (china.resize((2560, 1708)), "JPEG", {"quality": 80}),
        "grey.jpg": (china.convert("L"), "JPEG", {}),
        "cmyk.jpg": (china.convert("CMYK"), "JPEG", {}),
        "palette.png": (china.quantize(64), "PNG", {}),
        "tiny.png": (china.resize((9, 31)), "PNG", {}),
        "lossy.webp": (china, "WEBP", {"quality": 70}),
    }
    return photographs | {name: _encode(*how) for name, how in made.items()}


def _encode(image: Image.Image, kind: str, options: dict[str, int]) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def probabilities(predictions: list[dict]) -> np.ndarray:
    return np.array([list(prediction["probabilities"].values()) for prediction in predictions])


@pytest.mark.parametrize("name", ["orientation", "selfie"])
def test_http_gives_the_probabilities_of_keras(name, trained, requests):
    model, given = trained.models[name], []
    for data in requests.values():
        given += httpx.post(f"{trained.url}/v1/models/{name}:predict", content=data, timeout=60).json()["predictions"]
    expected = model.probabilities(requests.values())
    np.testing.assert_allclose(probabilities(given), expected, rtol=0, atol=TOLERANCE)
    assert np.ptp(expected, axis=0).max() > 10 * TOLERANCE, "the answers tell photos apart"
    assert tuple(given[0]["probabilities"]) == model.metadata.label_names
    at_once = [("image", (file, data)) for file, data in requests.items()]
    answer = httpx.post(f"{trained.url}/v1/models/{name}:predict", files=at_once, timeout=60).json()
    np.testing.assert_allclose(probabilities(answer["predictions"]), expected, rtol=0, atol=TOLERANCE)


def test_models_asked_together_see_one_decoding(trained, requests):
    """A JPEG is decoded once, at the scale that suffices for the largest model."""
    files = [("image", (name, data)) for name, data in requests.items()]
    answer = httpx.post(f"{trained.url}/v1/predict", files=files, timeout=60).json()["results"]
    largest = max((model.metadata.preprocessing.size for model in trained.models.values()), key=lambda size: size.width)
    for name, model in trained.models.items():
        expected = model.probabilities(requests.values(), largest)
        np.testing.assert_allclose(probabilities(answer[name]["predictions"]), expected, rtol=0, atol=TOLERANCE)


def test_labels_follow_the_rule_and_the_certainty_that_training_stamped(trained, requests):
    for name, model in trained.models.items():
        for data in requests.values():
            [answer] = httpx.post(f"{trained.url}/v1/models/{name}:predict", content=data, timeout=60).json()[
                "predictions"
            ]
            decision = model.metadata.decide(np.array(list(answer["probabilities"].values()), np.float32))
            assert answer["label"] == model.metadata.label_names[decision.index]
            assert answer["certain"] == decision.certain
            assert answer["attributes"] == model.metadata.labels[decision.index].attributes


def test_version_tells_the_metrics_that_training_measured(trained):
    told = httpx.get(f"{trained.url}/version", timeout=60).json()["models"]
    for name, model in trained.models.items():
        assert told[name]["version"] == "1"
        headline = {"accuracy", "certain_share", "certain_accuracy"}
        assert told[name]["metrics"] == model.metadata.metrics.model_dump(include=headline)
        metadata = httpx.get(f"{trained.url}/v1/models/{name}/metadata", timeout=60).json()["metadata"]
        assert metadata["loupe"]["metrics"]["data_sha256"] == model.metadata.metrics.data_sha256
