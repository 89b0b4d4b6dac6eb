import numpy as np
import pytest

from models.errors import ExportError
from training.graph.inference import OnnxClassifier
from training.graph.last_layer import up_to_last_layer, with_last_layer


@pytest.fixture
def pictures() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (5, 4, 4, 1), dtype=np.uint8)


def test_features_and_a_new_layer_make_the_new_answers(workshop, pictures):
    data = workshop.dense_graph(np.zeros((16, 2)), (4, 4, 1))
    seen = OnnxClassifier(up_to_last_layer(data)).predict(pictures)
    np.testing.assert_allclose(seen, pictures.reshape(5, 16) / 255, atol=1e-6)
    kernel = np.random.default_rng(3).normal(size=(16, 2)).astype(np.float32)
    bias = np.array([0.3, -0.2], np.float32)
    powers = np.exp(seen @ kernel + bias)
    answers = OnnxClassifier(with_last_layer(data, kernel, bias)).predict(pictures)
    np.testing.assert_allclose(answers, powers / powers.sum(axis=1, keepdims=True), atol=1e-5)


def test_a_layer_of_another_shape_is_refused(workshop):
    data = workshop.dense_graph(np.zeros((16, 2)), (4, 4, 1))
    with pytest.raises(ExportError, match=r"no weights of the shape \(16, 3\)"):
        with_last_layer(data, np.zeros((16, 3), np.float32), np.zeros(3, np.float32))


def test_a_model_without_such_a_layer_is_refused(workshop):
    with pytest.raises(ExportError, match="no last layer that could be learned anew"):
        up_to_last_layer(workshop.linear_graph(np.zeros((16, 2)), (4, 4, 1)))
