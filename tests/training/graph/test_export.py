import keras
import numpy as np
import onnx
import onnxruntime
import pytest

from models.errors import ExportError
from training.fitting.fit import new_network
from training.graph.export import OPSET, export
from training.graph.inference import OnnxClassifier
from training.graph.parity import MAX_DIFFERENCE, check_parity
from training.networks.architectures import build


@pytest.fixture(scope="module")
def pictures(crops) -> np.ndarray:
    return np.stack([np.asarray(crop) for crop in crops[:64]])


@pytest.fixture(scope="module")
def network() -> keras.Model:
    keras.utils.set_random_seed(1)
    return build("orientation_talk", (64, 64, 3), 4, 0.5)


@pytest.fixture(scope="module")
def data(network, pictures) -> bytes:
    return export(network, pictures)


def test_the_graph_is_the_house_s(data):
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    [image], [probabilities] = session.get_inputs(), session.get_outputs()
    assert (image.name, image.type, image.shape) == ("image", "tensor(uint8)", ["N", 64, 64, 3])
    assert (probabilities.name, probabilities.type) == ("probabilities", "tensor(float)")
    assert probabilities.shape == ["N", 4]
    proto = onnx.load_from_string(data)
    assert {opset.domain: opset.version for opset in proto.opset_import}[""] == OPSET == 18
    onnx.checker.check_model(proto, full_check=True)


@pytest.mark.parametrize("batch", [1, 2, 7, 64])
def test_any_batch_answers_as_keras_does(network, data, pictures, batch):
    expected = network.predict(pictures, verbose=0)
    answers = OnnxClassifier(data).predict(pictures, batch)
    assert answers.dtype == np.float32
    assert np.abs(answers - expected).max() <= MAX_DIFFERENCE == 1e-4
    assert np.ptp(expected, axis=0).max() > 1e-3, "answers that differ from picture to picture"


def test_answers_that_differ_are_refused(network, data, pictures):
    expected = network.predict(pictures, verbose=0)
    assert check_parity(expected, data, pictures) <= MAX_DIFFERENCE
    one_off = expected.copy()
    one_off[40, 2] += 3e-4
    with pytest.raises(ExportError, match=r"^the ONNX file and its original differ by 0\.0003; at most 0\.0001 is"):
        check_parity(one_off, data, pictures)
    one_off[40, 2] = np.nan
    with pytest.raises(ExportError, match="differ by nan"):
        check_parity(one_off, data, pictures)


def test_few_pictures_suffice(network, pictures):
    assert OnnxClassifier(export(network, pictures[:3])).predict(pictures[:1]).shape == (1, 4)


def test_a_sigmoid_is_widened_to_two_columns(pictures):
    keras.utils.set_random_seed(2)
    network = build("selfie_talk", (20, 20, 1), 2, 0.5)
    grey = pictures[:, :20, :20, :1]
    answers = OnnxClassifier(export(network, grey)).predict(grey)
    assert answers.shape == (64, 2)
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(answers[:, 1:], network.predict(grey, verbose=0), atol=1e-4)


def test_weights_learned_in_bfloat16_are_exported_in_float32(workshop, pictures):
    recipe = workshop.recipe(architecture={"dropout": 0.1})
    coarse = new_network(recipe, workshop.two_labels(), "mixed_bfloat16")
    assert coarse.layers[2].compute_dtype == "bfloat16"
    exact = new_network(recipe, workshop.two_labels(), "float32")
    exact.set_weights(coarse.get_weights())
    grey = pictures[:, :20, :20, :1]
    answers = OnnxClassifier(export(exact, grey)).predict(grey)
    np.testing.assert_allclose(answers[:, 1:], coarse.predict(grey, verbose=0), atol=0.02)


def test_the_folded_backbone_is_exported(pictures):
    keras.utils.set_random_seed(3)
    network = build("efficientnet_lite0", (64, 64, 3), 4, 0.2)
    data = export(network, pictures[:8])
    kinds = {node.op_type for node in onnx.load_from_string(data).graph.node}
    assert "BatchNormalization" not in kinds
    assert kinds >= {"Conv", "Softmax"}
