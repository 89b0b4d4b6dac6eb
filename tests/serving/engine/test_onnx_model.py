import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models.errors import InvalidModelError
from models.metadata import Label
from models.preprocessing import Preprocessing
from serving.engine.onnx_model import OnnxModel

MODELS = Path(__file__).parents[3] / "models"


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


SHARING = """
import sys
from pathlib import Path
import numpy as np
from serving.engine.allocator import give_back
from serving.engine.onnx_model import OnnxModel

def resident():
    give_back()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

models = [OnnxModel(Path(file), "cpu") for file in sys.argv[1:]]
for model in models:
    model.run([np.zeros(model.metadata.preprocessing.shape, np.uint8)])
loaded = resident()
for model in models:
    model.run([np.zeros(model.metadata.preprocessing.shape, np.uint8)] * 8)
    print(resident() - loaded)
models[0].give_back()
print(resident() - loaded)
"""


def test_what_one_model_worked_in_is_there_for_the_next_and_goes_back_with_it():
    """Each session its own would keep what its largest batch took: 8 MB of this one's."""
    file = str(MODELS / "orientation" / "2" / "model.onnx")
    ran = subprocess.run([sys.executable, "-c", SHARING, file, file, file], capture_output=True, text=True, check=True)
    first, second, third, left = map(int, ran.stdout.split())
    assert first > 4e6
    assert third - first < first / 2, "the three share it"
    assert left < first / 2
    assert second <= third


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
