import shutil

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from keras import layers
from onnx import TensorProto, numpy_helper

from models.errors import TrainingError
from models.repository import ModelRepository, read_metadata
from training.graph.export import export
from training.graph.quantization import to_fp16, to_int8
from training.measuring.robustness import CONDITIONS
from training.shipping.golden import golden_samples
from training.shipping.precision import lower_precision
from training.shipping.temperature import Scaling, with_scaling

SHAPE = (32, 32, 3)


@pytest.fixture(scope="module")
def pictures(crops) -> np.ndarray:
    return np.stack([np.asarray(crop.resize(SHAPE[:2])) for crop in crops[:200:4]])


@pytest.fixture(scope="module")
def depthwise_network(pictures) -> bytes:
    """Pointwise and depthwise convolutions with ReLU6, as the backbones have, and a temperature."""
    keras.utils.set_random_seed(3)
    image = keras.Input(SHAPE, dtype="uint8")
    x = layers.Rescaling(1 / 128, offset=-127 / 128)(image)
    x = layers.ReLU(6)(layers.Conv2D(16, 3, 2, padding="same")(x))
    for _ in range(2):
        x = layers.ReLU(6)(layers.DepthwiseConv2D(3, padding="same", depthwise_initializer="he_normal")(x))
        x = layers.ReLU(6)(layers.Conv2D(32, 1, kernel_initializer="he_normal")(x))
    x = layers.GlobalAveragePooling2D()(x)
    network = keras.Model(image, layers.Dense(4, activation="softmax", kernel_initializer="he_normal")(x))
    return with_scaling(export(network, pictures[:8]), Scaling(0.5), pictures[:8])


@pytest.fixture(scope="module")
def int8(depthwise_network, pictures) -> bytes:
    return to_int8(depthwise_network, pictures)


def ask(data: bytes, pictures: np.ndarray, *, fused: bool = True) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    if not fused:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    (output,) = session.get_outputs()
    assert (output.name, output.type) == ("probabilities", "tensor(float)")
    assert session.get_inputs()[0].type == "tensor(uint8)"
    return session.run(None, {"image": pictures})[0]


def weights_of(data: bytes) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load_from_string(data).graph.initializer}


def test_int8_answers_nearly_as_fp32(depthwise_network, int8, pictures):
    assert np.abs(ask(int8, pictures) - ask(depthwise_network, pictures)).mean() < 0.01


def test_no_sum_of_two_products_overflows_sixteen_bits(int8):
    """That is how x86 adds without VNNI, except in depthwise convolutions, which keep all eight bits of a weight."""
    kernels = {name: array for name, array in weights_of(int8).items() if array.dtype == np.int8 and array.ndim > 1}
    depthwise = [array for array in kernels.values() if array.shape[1:] == (1, 3, 3)]
    others = [array for array in kernels.values() if array.shape[1:] != (1, 3, 3)]
    assert (len(depthwise), len(others)) == (2, 3)  # the last layer stays as it is
    assert all(np.abs(array.astype(int)).max() == 127 for array in depthwise)
    assert all(2 * 255 * np.abs(array.astype(int)).max() < 2**15 for array in others)


def test_a_processor_without_fused_kernels_answers_the_same(int8, pictures):
    """ONNX Runtime then computes every step in floats, as a GPU does."""
    assert np.abs(ask(int8, pictures) - ask(int8, pictures, fused=False)).max() < 0.1


def test_probabilities_do_not_become_coarse(int8, pictures):
    probabilities = ask(int8, pictures)
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    nodes = onnx.load_from_string(int8).graph.node
    assert {"Softmax", "Log", "Max"}.isdisjoint(_readers(nodes, {"DequantizeLinear"}))


def _readers(nodes, kinds: set[str]) -> set[str]:
    given = {name for node in nodes if node.op_type in kinds for name in node.output}
    return {node.op_type for node in nodes if given & set(node.input)}


@pytest.mark.parametrize("ranges", ["percentile", "entropy"])
def test_other_ranges_work_too(depthwise_network, pictures, ranges):
    copy = to_int8(depthwise_network, pictures[:16], ranges)
    assert np.abs(ask(copy, pictures) - ask(depthwise_network, pictures)).mean() < 0.05


def test_corrected_biases_bring_the_mean_answer_back(depthwise_network, pictures, monkeypatch):
    expected = ask(depthwise_network, pictures).mean(axis=0)
    corrected = np.abs(ask(to_int8(depthwise_network, pictures), pictures).mean(axis=0) - expected)
    monkeypatch.setattr("training.graph.quantization.correct_biases", lambda model, quantized, pictures: model)
    plain = np.abs(ask(to_int8(depthwise_network, pictures), pictures).mean(axis=0) - expected)
    assert corrected.mean() < plain.mean()


def test_fp16_halves_the_weights_and_keeps_the_rest(depthwise_network, pictures):
    copy = to_fp16(depthwise_network)
    assert np.abs(ask(copy, pictures) - ask(depthwise_network, pictures)).max() < 5e-3
    kinds = {tensor.data_type for tensor in onnx.load_from_string(copy).graph.initializer if tensor.name[:3] != "tem"}
    assert TensorProto.FLOAT16 in kinds
    assert weights_of(copy)["temperature/inverse"].dtype == np.float32
    assert weights_of(with_scaling(copy, Scaling(4.0), pictures[:8]))["temperature/inverse"] == pytest.approx(0.25)


@pytest.mark.parametrize("precision", ["int8", "fp16"])
def test_the_copy_is_measured_and_calibrated_anew(trained, precision):
    original = trained.run.onnx.read_bytes()
    copy = lower_precision(original, trained.manifest, precision, robustness=precision == "int8")
    before, after = read_metadata(original), read_metadata(copy)
    assert (after.precision, after.name, after.labels[0].name) == (precision, before.name, before.labels[0].name)
    assert after.metrics.data_sha256 == before.metrics.data_sha256
    assert after.against_fp32.accuracy_change == pytest.approx(after.metrics.accuracy - before.metrics.accuracy)
    assert after.against_fp32.agreement > 0.9
    assert set(after.metrics.conditions) == (set(CONDITIONS) if precision == "int8" else set())
    assert "fitted on" in after.training["temperature"]
    samples = golden_samples(copy, after.preprocessing)
    assert after.golden_samples == samples
    assert after.golden_tolerance["cpu"] < 0.2
    with pytest.raises(TrainingError, match=f"the model is {precision} already"):
        lower_precision(copy, trained.manifest, precision)


def test_the_command_writes_the_copy_beside_the_original_and_publishes_it_if_it_may(loupe_train, trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained.run.path, run)
    trained.manifest.write(run / "manifest.csv")
    done = loupe_train("quantize", run, "--publish", "--models", tmp_path / "models")
    metadata = read_metadata((run / "model.int8.onnx").read_bytes())
    against = metadata.against_fp32
    allowed = against.accuracy_change >= -0.003 and against.agreement >= 0.99 and against.time_ratio < 1
    assert (done.exit_code == 0) is allowed, done.output
    assert bool(ModelRepository(tmp_path / "models").list()) is allowed
    assert "same label" in done.output
    lonely = tmp_path / "alone" / "model.onnx"
    lonely.parent.mkdir()
    shutil.copy(run / "model.onnx", lonely)
    done = loupe_train("quantize", lonely)
    assert done.exit_code == 1
    assert "name the photos" in done.output
