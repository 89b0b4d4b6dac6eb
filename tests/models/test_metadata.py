import json
from base64 import b64encode

import numpy as np
import pytest
from pydantic import ValidationError

from models.errors import InvalidModelError
from models.metadata import GoldenSample, Label, ModelMetadata, Source
from models.metrics import LabelMetrics, Metrics, SourceMetrics
from models.preprocessing import Preprocessing


def metadata(**changes: object) -> ModelMetadata:
    fields = {
        "name": "selfie",
        "version": 3,
        "labels": (Label(name="not_selfie", certain_from=0.8), Label(name="selfie", certain_from=0.9)),
        "preprocessing": Preprocessing(height=20, width=20, channels=1),
        "graph_sha256": "0" * 64,
    }
    return ModelMetadata(**fields | changes)


def full() -> ModelMetadata:
    return metadata(
        description="Näher betrachtet",
        labels=(Label(name="a", attributes={"turn": 270, "half": 0.5, "yes": True, "text": "1"}), Label(name="b")),
        decision_threshold=0.4,
        precision="int8",
        golden_samples=(GoldenSample(png=b64encode(b"png").decode(), probabilities=(0.25, 0.75)),),
        metrics=Metrics(
            data_sha256="1" * 64,
            images=10,
            accuracy=0.9,
            labels={"a": LabelMetrics(precision=1, recall=0.8, support=5)},
            confusion_matrix=((4, 1), (0, 5)),
            certain_share=0.5,
            certain_accuracy=1.0,
            roc_auc=0.95,
            sources={"camera": SourceMetrics(images=10, accuracy=0.9)},
        ),
        sources=(Source(name="camera", images=100, licence="CC0-1.0"),),
        training={"epochs": "8"},
        tools={"keras": "3"},
    )


@pytest.mark.parametrize("document", [metadata(), full()], ids=["least", "full"])
def test_it_comes_back_from_the_properties(document):
    properties = document.to_properties()
    assert set(properties) == {"loupe"}
    assert ModelMetadata.from_properties(properties | {"author": "somebody"}) == document


def test_attributes_keep_their_types():
    back = ModelMetadata.from_properties(full().to_properties())
    assert [type(value) for value in back.labels[0].attributes.values()] == [int, float, bool, str]


def test_a_golden_sample_holds_bytes():
    assert full().golden_samples[0].image_bytes() == b"png"


def test_missing_metadata_names_the_way_out():
    with pytest.raises(InvalidModelError, match=r"no metadata under the key `loupe`; `loupe-train import` adds it"):
        ModelMetadata.from_properties({"author": "somebody"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 2}, "wrong at schema_version: must be 1; 2 was given"),
        ({"name": "Mine"}, "wrong at name: "),
        ({"name": "../mine"}, "wrong at name: "),
        ({"version": 0}, "wrong at version: "),
        ({"labels": [{"name": "a"}]}, "wrong at labels: "),
        ({"labels": [{"name": "a"}, {"name": ""}]}, "wrong at labels.1.name: "),
        ({"labels": [{"name": "a"}, {"name": "a"}]}, "two labels have the same name"),
        ({"labels": [{"name": c} for c in "abc"], "decision_threshold": 0.5}, "for two labels, this model has 3"),
        ({"decision_threshold": 1.5}, "wrong at decision_threshold: "),
        ({"golden_samples": [{"png": "", "probabilities": [1]}]}, "golden sample does not have 2 probabilities"),
        ({"golden_samples": [{"png": "%", "probabilities": [0, 1]}]}, "wrong at golden_samples.0.png: "),
        ({"golden_tolerance": {"cpu": 0}}, "wrong at golden_tolerance.cpu: "),
        ({"golden_tolerance": {"npu": 0.1}}, "wrong at golden_tolerance.npu"),
        ({"preprocessing": {"height": 20, "width": 0}}, "wrong at preprocessing.width: "),
        ({"graph_sha256": "abc"}, "wrong at graph_sha256: "),
        ({"favourite": "colour"}, "wrong at favourite: is not known here"),
    ],
)
def test_the_message_names_the_field_that_is_wrong(change, message):
    document = json.loads(metadata().to_properties()["loupe"]) | change
    with pytest.raises(InvalidModelError) as caught:
        ModelMetadata.from_properties({"loupe": json.dumps(document)})
    assert message in str(caught.value)


@pytest.mark.parametrize("document", ["", "{", "[]", "null", "[" * 100_000, '{"version": NaN}'])
def test_what_is_no_such_document_is_refused(document):
    with pytest.raises(InvalidModelError, match="the model's metadata is wrong at "):
        ModelMetadata.from_properties({"loupe": document})


def test_it_cannot_be_changed():
    document = metadata()
    with pytest.raises(ValidationError):
        document.version = 4


@pytest.mark.parametrize("probability", [float("nan"), float("inf"), -0.1, 1.1])
def test_a_probability_lies_between_0_and_1(probability):
    with pytest.raises(ValidationError):
        Label(name="a", certain_from=probability)


@pytest.mark.parametrize(
    ("threshold", "second", "expected"),
    [
        (None, 0.49, (0, False)),
        (None, 0.51, (1, False)),
        (0.25, 0.2, (0, True)),
        (0.25, 0.25, (1, False)),
        (0.25, 0.95, (1, True)),
        (0.99, 0.95, (0, False)),
    ],
)
def test_two_labels_are_decided_by_threshold_or_by_the_likelier(threshold, second, expected):
    decision = metadata(decision_threshold=threshold).decide(np.array([1 - second, second], np.float32))
    assert (decision.index, decision.certain) == expected
    assert decision.probability == pytest.approx((1 - second, second)[decision.index])


def test_many_labels_are_decided_by_the_likeliest():
    document = metadata(labels=tuple(Label(name=name, certain_from=0.5) for name in "abc"))
    assert document.label_names == ("a", "b", "c")
    assert document.decide(np.array([0.25, 0.25, 0.5], np.float32)) == (2, 0.5, True)
    assert document.decide(np.array([0.4, 0.35, 0.25], np.float32)).certain is False
