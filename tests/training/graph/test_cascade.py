import numpy as np
import onnx
import onnxruntime
import pytest

from models.errors import ExportError
from training.graph.cascade import cascade
from training.graph.inference import OnnxClassifier
from training.graph.quarters import averages_over_turns
from training.graph.stages import answering_by, is_cascade, telling_stages
from training.shipping.product import product
from training.shipping.temperature import UNSCALED, Scaling, scaled, with_scaling

SIDE = 16
WEIGHT = 0.4
SCALINGS = (Scaling(0.7, 0.1), Scaling(1.3, 0.0), Scaling(0.8, 0.2))


def network(workshop, side: int, strength: float, seed: int) -> bytes:
    """Takes the brightest side for the top, more or less, and is as sure of it as it is strong."""
    weights = np.random.default_rng(seed).normal(0, 0.1, (side, side, 3, 4))
    half = side // 2
    for label, place in enumerate((np.s_[:half, :], np.s_[:, half:], np.s_[half:, :], np.s_[:, :half])):
        weights[(*place, slice(None), label)] += 1
    return workshop.dense_graph(strength * weights.reshape(-1, 4) / side**2, (side, side, 3))


def noise(count: int, side: int) -> np.ndarray:
    """Pictures that are brighter at some side, some of them clearly."""
    rng = np.random.default_rng(5)
    pictures = rng.integers(0, 180, (count, side, side, 3))
    for index, picture in enumerate(pictures):
        np.rot90(picture, -index)[: side // 2] += rng.integers(0, 75)
    return pictures.astype(np.uint8)


@pytest.fixture(scope="module")
def networks(workshop) -> tuple[bytes, bytes]:
    return network(workshop, SIDE // 2, 10, 1), network(workshop, SIDE, 12, 2)


@pytest.fixture(scope="module")
def compose(networks):
    small, large = (
        with_scaling(data, scaling, noise(8, side))
        for data, scaling, side in zip(networks, SCALINGS, (SIDE // 2, SIDE), strict=False)
    )
    turns = with_scaling(networks[1], SCALINGS[2], noise(8, SIDE))
    return lambda *thresholds: OnnxClassifier(cascade(small, large, turns, thresholds, SIDE, weight=WEIGHT))


@pytest.fixture(scope="module")
def expected(networks):
    """Each stage's answers, computed without the graph."""
    small, large = map(OnnxClassifier, networks)
    pictures = noise(40, SIDE)
    means = pictures.reshape(40, SIDE // 2, 2, SIDE // 2, 2, 3).mean(axis=(2, 4))
    turned = np.stack([np.rot90(picture, -turn) for picture in pictures for turn in range(4)])
    each = large.predict(turned)
    averaged = averages_over_turns(each)[4]
    averaged = (averaged / averaged.sum(axis=1, keepdims=True)).reshape(40, 4, 4)[:, 0]
    first = scaled(small.predict(np.floor(means + 0.5).astype(np.uint8)), SCALINGS[0])
    second = product(each.reshape(40, 4, 4)[:, 0], first, WEIGHT)
    return [first, scaled(second, SCALINGS[1]), scaled(averaged, SCALINGS[2])]


@pytest.mark.parametrize(("thresholds", "stage"), [((0, 0), 0), ((2, 0), 1), ((2, 2), 2)])
def test_each_stage_answers_as_its_parts_do(compose, expected, thresholds, stage):
    np.testing.assert_allclose(compose(*thresholds).predict(noise(40, SIDE)), expected[stage], atol=1e-5)


def test_only_rows_that_are_unsure_are_asked_again(compose, expected):
    first, second = (float(np.median(answers.max(axis=1))) for answers in expected[:2])
    sure, surer = expected[0].max(axis=1) >= first, expected[1].max(axis=1) >= second
    wanted = np.where(sure[:, None], expected[0], np.where(surer[:, None], expected[1], expected[2]))
    assert len({*zip(sure, surer, strict=True)}) == 4  # rows of every kind, mixed in one batch
    np.testing.assert_allclose(compose(first, second).predict(noise(40, SIDE)), wanted, atol=1e-5)


@pytest.mark.parametrize("batch", [1, 7, 32])
def test_a_picture_answers_alike_alone_and_among_others(compose, expected, batch):
    model = compose(*(float(np.median(answers.max(axis=1))) for answers in expected[:2]))
    together = model.predict(noise(40, SIDE), 40)
    np.testing.assert_allclose(model.predict(noise(40, SIDE), batch), together, atol=1e-6)


def test_four_turns_of_a_picture_get_answers_that_turn_with_it(compose):
    turned = np.stack([np.rot90(noise(1, SIDE)[0], -turn) for turn in range(4)])
    answers = compose(2, 2).predict(turned)
    for turn in range(4):
        np.testing.assert_allclose(answers[turn], np.roll(answers[0], turn), atol=1e-6)


def test_it_can_be_made_to_tell_the_stage_of_each_answer(networks, expected):
    small, large = (
        with_scaling(data, scaling, noise(8, side))
        for data, scaling, side in zip(networks, SCALINGS, (SIDE // 2, SIDE), strict=False)
    )
    first, second = (float(np.median(answers.max(axis=1))) for answers in expected[:2])
    data = cascade(small, large, large, (first, second), SIDE, weight=WEIGHT)
    told = OnnxClassifier(telling_stages(data)).predict(noise(40, SIDE))
    unsure = expected[0].max(axis=1) < first, expected[1].max(axis=1) < second
    assert told[:, 4].tolist() == np.where(unsure[0], 1 + unsure[1], 0).tolist()
    np.testing.assert_array_equal(told[:, :4], OnnxClassifier(data).predict(noise(40, SIDE)))
    for stage in range(3):
        alone = OnnxClassifier(telling_stages(answering_by(data, stage))).predict(noise(3, SIDE))
        assert alone[:, 4].tolist() == [stage] * 3
    assert is_cascade(data)
    assert not is_cascade(large)


@pytest.mark.parametrize("thresholds", [(0, 0), (2, 0)], ids=["it answers", "and the large one, which forgets it"])
def test_a_small_network_of_the_same_side_sees_the_picture_as_it_is(networks, thresholds):
    large = with_scaling(networks[1], SCALINGS[1], noise(8, SIDE))
    model = OnnxClassifier(cascade(large, large, large, thresholds, SIDE))
    np.testing.assert_allclose(
        model.predict(noise(40, SIDE)), OnnxClassifier(large).predict(noise(40, SIDE)), atol=1e-5
    )


@pytest.mark.parametrize("same_side", [True, False])
def test_onnx_runtime_has_nothing_to_say_of_it(networks, same_side, capfd):
    small, large = (
        with_scaling(data, UNSCALED, noise(8, side)) for data, side in zip(networks, (SIDE // 2, SIDE), strict=True)
    )
    onnxruntime.InferenceSession(cascade(large if same_side else small, large, large, (0.9, 0.9), SIDE))
    assert capfd.readouterr() == ("", "")


def test_the_stages_that_may_be_skipped_stand_beside_each_other(networks):
    """ONNX Runtime packs weights that lie one graph further out, not those two out, which take half as long again."""
    small, large = (
        with_scaling(data, UNSCALED, noise(8, side)) for data, side in zip(networks, (SIDE // 2, SIDE), strict=True)
    )
    graph = onnx.load_from_string(cascade(small, large, large, (0, 0), SIDE)).graph
    branches = [attribute.g for node in graph.node if node.op_type == "If" for attribute in node.attribute]
    assert len(branches) == 4
    assert not any(node.op_type == "If" for branch in branches for node in branch.node)


def test_what_cannot_be_composed_is_refused(networks, workshop):
    small, large = networks
    ready = with_scaling(large, SCALINGS[1], noise(8, SIDE))
    with pytest.raises(ExportError, match="needs its scaling"):
        cascade(small, ready, ready, (0, 0), SIDE)
    with pytest.raises(ExportError, match="of 15 pixels cannot be halved"):
        cascade(ready, ready, ready, (0, 0), 15)  # of another side than the small one
    old = workshop.linear_graph(np.zeros((SIDE * SIDE * 3, 4)), (SIDE, SIDE, 3))
    with pytest.raises(ExportError, match="opset 17; at least 18"):
        cascade(old, ready, ready, (0, 0), SIDE)
