from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from scipy.special import softmax

from models.errors import ExportError
from models.onnx_file import read_properties
from training.graph.inference import OnnxClassifier
from training.measuring.evaluation import Answers
from training.measuring.reliability import reliability
from training.shipping.temperature import UNSCALED, Scaling, fit_scaling, scaled, with_scaling

SHAPE = (4, 4, 3)


@pytest.fixture
def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, *SHAPE), np.uint8)


@pytest.fixture
def graph(workshop) -> bytes:
    return workshop.linear_graph(np.random.default_rng(1).normal(0, 1, (48, 4)), SHAPE)


def pair_graph(weight: float) -> bytes:
    """A sigmoid p of the mean pixel, widened to [1 - p, p], as the talk's selfie network is."""
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("Slice", ["mean", "zero", "single", "last"], ["first"]),
        helper.make_node("Add", ["first", "offset"], ["centred"]),
        helper.make_node("Mul", ["centred", "weight"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["second"]),
        helper.make_node("Sub", ["one", "second"], ["other"]),
        helper.make_node("Concat", ["other", "second"], ["probabilities"], axis=1),
    ]
    constants = {"one": [1.0], "weight": [weight], "offset": [-127.0]}
    tensors = [numpy_helper.from_array(np.array(value, np.float32), name) for name, value in constants.items()]
    tensors += [numpy_helper.from_array(np.array([value]), n) for n, value in (("zero", 0), ("single", 1), ("last", 1))]
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", *SHAPE])
    output = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 2])
    built = helper.make_graph(nodes, "pair", [image], [output], tensors)
    return helper.make_model(built, opset_imports=[helper.make_opsetid("", 13)], ir_version=8).SerializeToString()


def told(logits: np.ndarray, labels: np.ndarray, groups: tuple[str, ...] = ()) -> Answers:
    return Answers(softmax(logits, axis=1).astype(np.float32), labels, ("s",) * len(labels), groups)


def drawn(temperature: float, count: int, classes: int = 4, seed: int = 0) -> Answers:
    """Labels drawn from the probabilities of some logits; the model gives those logits times ``temperature``."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (count, classes))
    labels = np.array([rng.choice(classes, p=row) for row in softmax(logits, axis=1)])
    return told(logits * temperature, labels)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("classes", [2, 4])
def test_it_finds_the_temperature_that_spoilt_the_answers(temperature, classes):
    assert fit_scaling(drawn(temperature, 4000, classes)) == pytest.approx((temperature, 0), rel=0.1, abs=0.03)


def test_it_lowers_the_likelihood_loss_and_moves_no_answer():
    before = drawn(3.0, 1000)
    after = scaled(before.probabilities, fit_scaling(before))
    rows = np.arange(1000)
    assert -np.log(after[rows, before.labels]).mean() < -np.log(before.probabilities[rows, before.labels]).mean() - 0.1
    assert (after.argmax(axis=1) == before.probabilities.argmax(axis=1)).all()
    assert after.sum(axis=1) == pytest.approx(1, abs=1e-6)


def test_a_handful_of_right_answers_does_not_make_it_sure_of_everything():
    few = told(np.eye(4)[[0, 1, 2]], np.arange(3))
    assert 0.3 < fit_scaling(few).temperature < 1
    assert fit_scaling(few).curvature < 0.2


def test_turns_of_one_photo_weigh_as_much_as_that_photo():
    photos = drawn(2.0, 200)
    turns = Answers(
        np.repeat(photos.probabilities, 4, axis=0),
        np.repeat(photos.labels, 4),
        ("s",) * 800,
        tuple(f"{number:03}" for number in np.repeat(np.arange(200), 4)),
    )
    assert fit_scaling(turns) == pytest.approx(fit_scaling(photos), rel=1e-2, abs=1e-3)


def test_it_takes_back_what_smoothed_labels_did():
    """They bunch the surest answers below 1; a temperature alone cannot tell those from the others."""
    honest = drawn(1.0, 20_000)
    smoothed = replace(honest, probabilities=np.float32(0.95) * honest.probabilities + np.float32(0.05 / 4))
    found = fit_scaling(smoothed)
    assert found.curvature > 0.05
    right = smoothed.probabilities.argmax(axis=1) == smoothed.labels

    def error(scaling: Scaling) -> float:
        return reliability(scaled(smoothed.probabilities, scaling).max(axis=1).astype(float), right).error

    assert error(found) < 0.6 * error(UNSCALED)


@pytest.mark.parametrize("scaling", [Scaling(0.3), UNSCALED, Scaling(2.5), Scaling(1.5, 0.2)])
def test_the_graph_computes_what_numpy_computes(graph, pictures, scaling):
    baked = with_scaling(graph, scaling, pictures)
    expected = scaled(OnnxClassifier(graph).predict(pictures), scaling)
    assert OnnxClassifier(baked).predict(pictures) == pytest.approx(expected, abs=1e-6)
    proto = onnx.load_from_string(baked)
    assert [value.name for value in proto.graph.output] == ["probabilities"]
    assert proto.graph.output[0].type.tensor_type.shape.dim[0].dim_param == "N"


def test_no_scaling_changes_nothing(graph, pictures):
    baked = with_scaling(graph, UNSCALED, pictures)
    assert OnnxClassifier(baked).predict(pictures) == pytest.approx(OnnxClassifier(graph).predict(pictures), abs=1e-6)


def test_a_second_scaling_takes_the_place_of_the_first(graph, pictures):
    once = with_scaling(graph, Scaling(2.0, 0.1), pictures)
    assert with_scaling(with_scaling(graph, Scaling(3.0), pictures), Scaling(2.0, 0.1), pictures) == once


def test_a_curvature_spreads_the_surest_answers_and_keeps_their_order():
    probabilities = np.array([[0.5, 0.3, 0.2], [0.9, 0.06, 0.04], [0.98, 0.01, 0.01]], np.float32)
    plain, curved = (scaled(probabilities, Scaling(1.0, c)) for c in (0.0, 0.2))
    assert plain == pytest.approx(probabilities, abs=1e-6)
    odds = [shares[:, 0] / (1 - shares[:, 0]) for shares in (plain, curved)]
    assert (np.diff(odds[1] / odds[0]) > 0).all()
    assert (np.diff(curved, axis=1) <= 0).all()


@pytest.mark.parametrize("weight", [0.05, 100.0])
def test_a_sigmoid_s_pair_is_scaled_too_even_where_it_is_0_and_1(pictures, weight):
    graph = pair_graph(weight)
    before = OnnxClassifier(graph).predict(pictures)
    after = OnnxClassifier(with_scaling(graph, Scaling(2.0), pictures)).predict(pictures)
    odds = np.log(before[:, 1].clip(1e-7) / before[:, 0].clip(1e-7))
    assert after[:, 1] == pytest.approx(1 / (1 + np.exp(-odds / 2)), abs=1e-5)
    assert np.isfinite(after).all()


def test_an_older_graph_is_scaled_too(pictures):
    assert onnx.load_from_string(pair_graph(0.05)).opset_import[0].version < 18  # ReduceMax changed there
    newer = onnx.version_converter.convert_version(onnx.load_from_string(pair_graph(0.05)), 18).SerializeToString()
    old, new = (with_scaling(graph, Scaling(2.0, 0.1), pictures) for graph in (pair_graph(0.05), newer))
    assert OnnxClassifier(old).predict(pictures) == pytest.approx(OnnxClassifier(new).predict(pictures), abs=1e-6)


def test_properties_stay(workshop):
    stamped = workshop.sky_model()
    pictures = np.zeros((8, 16, 16, 3), np.uint8)
    assert read_properties(with_scaling(stamped, Scaling(2.0), pictures)) == read_properties(stamped)


def test_a_graph_that_answers_nonsense_is_refused(workshop, pictures):
    broken = workshop.linear_graph(np.full((48, 4), np.nan), SHAPE)
    with pytest.raises(ExportError, match="differ"):
        with_scaling(broken, Scaling(2.0), pictures)


def test_a_run_s_file_says_its_temperature(trained):
    nodes = [node.op_type for node in onnx.load(trained.run.onnx).graph.node]
    assert nodes[-9:] == ["Max", "Log", "ReduceMax", "Sub", "Mul", "Add", "Mul", "Neg", "Softmax"]
    assert "fitted on" in trained.metadata.training["temperature"]
