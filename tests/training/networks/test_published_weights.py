from pathlib import Path

import numpy as np
import pytest

from models.errors import TrainingError
from training.graph.cascade import cascade
from training.graph.export import export
from training.graph.quantization import to_int8
from training.networks.architectures import build
from training.networks.published_weights import load_published_weights
from training.shipping.temperature import Scaling, with_scaling

SHAPE = (8, 8, 3)


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (8, *SHAPE), dtype=np.uint8)


@pytest.fixture(scope="module")
def network():
    model = build("small_cnn", SHAPE, 4, 0.0)
    rng = np.random.default_rng(4)
    model.set_weights([array if array.ndim > 1 else rng.normal(0, 0.1, array.shape) for array in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def published(network, pictures, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    data = export(network, pictures)
    (folder / "fp32.onnx").write_bytes(data)
    (folder / "int8.onnx").write_bytes(to_int8(data, pictures))
    return folder


def test_weights_come_back_as_they_were(network, published):
    fresh = build("small_cnn", SHAPE, 4, 0.0)
    load_published_weights(fresh, published / "fp32.onnx")
    for wanted, found in zip(network.get_weights(), fresh.get_weights(), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_weights_of_an_int8_file_come_back_rounded(network, published):
    fresh = build("small_cnn", SHAPE, 4, 0.0)
    load_published_weights(fresh, published / "int8.onnx")
    kernels = [(a, b) for a, b in zip(network.get_weights(), fresh.get_weights(), strict=True) if a.ndim == 4]
    assert kernels
    for wanted, found in kernels:  # seven bits: a step is a 63rd of the largest weight
        np.testing.assert_allclose(found, wanted, atol=np.abs(wanted).max() / 63)
        assert not np.array_equal(found, wanted)


def test_a_last_layer_for_other_labels_stays_fresh(network, published):
    fresh = build("small_cnn", SHAPE, 2, 0.0)
    before = fresh.get_weights()
    load_published_weights(fresh, published / "fp32.onnx")
    np.testing.assert_array_equal(fresh.get_weights()[-2], before[-2])
    np.testing.assert_allclose(fresh.get_weights()[0], network.get_weights()[0], atol=1e-6)


def test_each_stage_of_a_cascade_gives_its_own(tmp_path):
    """So that whoever has a cascade can go on from both of its networks."""
    names, sides = ("small_cnn", "orientation_talk"), (16, 32)
    networks = [build(name, (side, side, 3), 4, 0.0) for name, side in zip(names, sides, strict=True)]
    pictures = [np.random.default_rng(5).integers(0, 256, (8, side, side, 3), dtype=np.uint8) for side in sides]
    small, large = (
        with_scaling(export(model, shown), Scaling(0.8, 0.1), shown)
        for model, shown in zip(networks, pictures, strict=True)
    )
    (tmp_path / "cascade.onnx").write_bytes(cascade(small, large, large, (0.9, 0.8), sides[1]))
    for name, side, network in zip(names, sides, networks, strict=True):
        fresh = build(name, (side, side, 3), 4, 0.0)
        load_published_weights(fresh, tmp_path / "cascade.onnx")
        for wanted, found in zip(network.get_weights(), fresh.get_weights(), strict=True):
            np.testing.assert_allclose(found, wanted, atol=1e-6)
    with pytest.raises(TrainingError, match="holds no weights of orientation_talk: 6 and 7 and 7 layers"):
        load_published_weights(build("orientation_talk", (64, 64, 3), 4, 0.0), tmp_path / "cascade.onnx")


def test_what_does_not_fit_is_refused(published, tmp_path):
    with pytest.raises(TrainingError, match="holds no weights of orientation_talk"):
        load_published_weights(build("orientation_talk", (64, 64, 3), 4, 0.0), published / "fp32.onnx")
    (tmp_path / "text.onnx").write_text("none")
    with pytest.raises(TrainingError, match="is no ONNX file"):
        load_published_weights(build("small_cnn", SHAPE, 4, 0.0), tmp_path / "text.onnx")
