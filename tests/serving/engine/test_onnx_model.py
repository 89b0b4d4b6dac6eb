import hashlib

import numpy as np
import pytest

from models.errors import InvalidModelError
from models.metadata import Label
from models.preprocessing import Preprocessing
from serving.engine.onnx_model import OnnxModel


@pytest.fixture
def load(tmp_path):
    def load(data: bytes) -> OnnxModel:
        path = tmp_path / "model.onnx"
        path.write_bytes(data)
        return OnnxModel(path, "cpu")

    return load


def test_it_runs_batches_and_knows_its_file(zoo, load):
    data = zoo.orientation()
    model = load(data)
    images = [np.asarray(zoo.lit(side)) for side in zoo.sides]
    probabilities = model.run(images)
    assert probabilities.shape == (4, 4)
    assert probabilities.argmax(axis=1).tolist() == [0, 1, 2, 3]
    assert model.sha256 == hashlib.sha256(data).hexdigest()
    assert (model.kind, model.provider) == ("cpu", "CPUExecutionProvider")


def test_batches_that_are_filled_up_give_the_same_answers(zoo, load):
    """As on a GPU, where each shape's first call stalls."""
    model = load(zoo.orientation())
    images = [np.asarray(zoo.lit(side)) for side in ("left", "up", "down")]
    expected = model.run(images)
    model.fixed_sizes = (1, 2, 4, 8)
    model.prove()
    assert np.array_equal(model.run(images), expected)


def test_a_right_model_is_proven(zoo, load):
    load(zoo.orientation()).prove()


@pytest.mark.parametrize("wrong", [(0.25, 0.25, 0.25, 0.25), (0.0, 0.0, 0.0, 1.0)])
def test_a_wrong_golden_sample_is_refused(zoo, load, wrong):
    model = load(zoo.orientation(golden_samples=[zoo.golden(wrong)]))
    with pytest.raises(InvalidModelError, match=r"orientation version 1 is off by .* on cpu at most 0.001 is allowed"):
        model.prove()


def test_the_tolerance_is_that_of_the_device(zoo, load):
    facts = {"golden_samples": [zoo.golden((0.25, 0.25, 0.25, 0.25))]}
    load(zoo.orientation(golden_tolerance={"cpu": 1.0}, **facts)).prove()
    with pytest.raises(InvalidModelError):
        load(zoo.orientation(golden_tolerance={"cuda": 1.0}, **facts)).prove()


@pytest.mark.parametrize(
    "facts",
    [
        {"preprocessing": Preprocessing(height=31, width=32)},
        {"labels": [Label(name="a"), Label(name="b")], "golden_samples": []},
    ],
)
def test_a_graph_that_is_not_what_the_metadata_say_is_refused(zoo, load, facts):
    with pytest.raises(InvalidModelError, match="its metadata calls for"):
        load(zoo.orientation(**facts))


def test_a_changed_or_unstamped_file_is_refused(zoo, load):
    with pytest.raises(InvalidModelError, match="digest differs"):
        load(zoo.orientation(graph_sha256="0" * 64))
    with pytest.raises(InvalidModelError):
        load(zoo.orientation()[:200])
