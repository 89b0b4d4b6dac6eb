import numpy as np
import pytest

from models.metadata import ModelMetadata
from models.onnx_file import read_properties
from serving.engine.classifier import Classifier, Prediction
from serving.engine.onnx_model import OnnxModel


@pytest.fixture
def metadata(zoo):
    return ModelMetadata.from_properties(read_properties(zoo.orientation()))


def test_a_prediction_names_what_the_model_says(metadata):
    prediction = Prediction.of(metadata, np.array([0.02, 0.951234567, 0.02, 0.008765433], np.float32))
    assert prediction == Prediction(
        label="right",
        probability=0.951235,
        certain=True,
        probabilities={"up": 0.02, "right": 0.951235, "down": 0.02, "left": 0.008765},
        attributes={"rotate_clockwise": 270},
    )


def test_below_the_labels_threshold_it_is_not_certain(metadata):
    assert not Prediction.of(metadata, np.array([0.2, 0.8, 0, 0], np.float32)).certain


def test_top_keeps_the_likeliest_first(metadata):
    prediction = Prediction.of(metadata, np.array([0.1, 0.2, 0.3, 0.4], np.float32))
    assert list(prediction.top(2).probabilities) == ["left", "down"]
    assert prediction.top(9).probabilities == prediction.probabilities


def test_single_images_share_batches_and_get_their_own_answers(zoo, models):
    model = OnnxModel(models / "orientation/1/model.onnx", "cpu", max_batch=4)
    classifier = Classifier(model, workers=1, max_queue=100)
    sides = [zoo.sides[number % 4] for number in range(50)]

    answers = [classifier.submit(np.asarray(zoo.lit(side))) for side in sides]
    classifier.close()
    assert [answer.result().result.label for answer in answers] == sides
