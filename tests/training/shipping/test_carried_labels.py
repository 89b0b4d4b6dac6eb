import json

import pytest

from training.shipping.carried_labels import carried_labels


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        pytest.param({"names": "{0: 'cat', 1: \"dog's\"}"}, ("names", ("cat", "dog's")), id="ultralytics"),
        pytest.param(
            {
                "stride": "1",
                "task": "classify",
                "imgsz": "[224, 224]",
                "names": "{'0': 'cat', '1': 'dog'}",
            },
            ("names", ("cat", "dog")),
            id="numbers-as-text",
        ),
        pytest.param({"stride": "32", "names": "['cat', 'dog']"}, ("names", ("cat", "dog")), id="yolov5-list"),
        pytest.param({"character": "0\n90\n180\n270"}, ("character", ("0", "90", "180", "270")), id="rapidocr"),
        pytest.param({"label_list": '["upright", "turned"]'}, ("label_list", ("upright", "turned")), id="paddlex"),
        pytest.param({"id2label": '{"1": "dog", "0": "cat"}'}, ("id2label", ("cat", "dog")), id="transformers"),
        pytest.param(
            {"pretrained_cfg": json.dumps({"input_size": [3, 8, 8], "label_names": ["cat", "dog"]})},
            ("label_names", ("cat", "dog")),
            id="timm",
        ),
        pytest.param({"classes": "cat, dog,newt"}, ("classes", ("cat", "dog", "newt")), id="commas"),
        pytest.param({"classes": "0,90"}, ("classes", ("0", "90")), id="numbers"),
        pytest.param({"classes": "a cat, sleeping\ndog\n"}, ("classes", ("a cat, sleeping", "dog")), id="lines"),
        pytest.param({"names": "{1: 'cat', 2: 'dog'}"}, None, id="not-from-0-on"),
        pytest.param({"names": "{'cat': 0, 'dog': 1}"}, None, id="the-other-way-round"),
        pytest.param({"names": "[['cat'], ['dog']]"}, None, id="lists-of-lists"),
        pytest.param({"config": "{not JSON", "classes": ""}, None, id="nothing"),
        pytest.param({"classes": "one"}, None, id="one-is-none"),
        pytest.param({}, None, id="no-properties"),
    ],
)
def test_labels_in_the_forms_that_are_about(properties, expected):
    assert carried_labels(properties) == expected
