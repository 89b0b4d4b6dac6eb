from math import log

import numpy as np
import pytest
from pydantic import ValidationError

from models.drift import Histogram, Reference, Shape, light, stability_index
from models.metadata import ModelMetadata
from models.onnx_file import graph_sha256
from models.preprocessing import Preprocessing


def test_numbers_fall_into_the_bin_that_begins_at_or_below_them():
    assert Histogram.of([-1, 0.5, 0.99, 1, 7], (0.5, 1)).counts == (1, 2, 2)


@pytest.mark.parametrize(
    ("edges", "counts"), [((1,), (1,)), ((1,), (0, 0)), ((1,), (2, -1)), ((2, 1), (1, 1, 1)), ((), (1,))]
)
def test_what_is_no_histogram_is_refused(edges, counts):
    with pytest.raises(ValidationError):
        Histogram(edges=edges, counts=counts)


def test_the_index_is_the_sum_over_the_bins():
    reference, now = [600, 300, 100], [300, 300, 400]
    shares = [np.array([600.5, 300.5, 100.5]) / 1001.5, np.array([300.5, 300.5, 400.5]) / 1001.5]
    expected = sum((b - a) * log(b / a) for a, b in zip(*shares, strict=True))
    assert stability_index(reference, now) == pytest.approx(expected)
    assert stability_index(reference, reference) == 0
    assert stability_index(reference, [count * 7 for count in reference]) == pytest.approx(0, abs=1e-4)


def test_bins_that_the_reference_hardly_has_count_as_one():
    """Of a thousand labels, nearly all are seen once or never: by chance alone the whole index would be above 3."""
    generator = np.random.default_rng(0)
    reference = generator.multinomial(2000, np.full(1000, 1e-3))
    assert stability_index(reference.tolist(), generator.multinomial(500, np.full(1000, 1e-3)).tolist()) < 0.01
    assert stability_index([500, 500, 0, 0], [0, 0, 500, 500]) > 5


def test_chance_alone_is_no_drift():
    """Of 650 photos and 500 others of their kind, in eleven bins: the largest of 20,000 is 0.17, and 0.25 is drift."""
    generator = np.random.default_rng(0)
    even = np.full(11, 1 / 11)
    found = [
        stability_index(reference.tolist(), now.tolist())
        for reference in generator.multinomial(650, even, 20)
        for now in generator.multinomial(500, even, 1000)
    ]
    assert np.mean(found) == pytest.approx(10 * (1 / 500 + 1 / 650), rel=0.2)
    assert max(found) < 0.17


def test_light_is_mean_and_deviation():
    pixels = np.random.default_rng(0).integers(0, 256, (176, 130, 3), dtype=np.uint8)
    assert light(pixels) == pytest.approx((pixels.mean(), pixels.std()), rel=0.05)
    assert light(pixels // 4)[0] == pytest.approx(light(pixels)[0] / 4, rel=0.02)
    assert light(np.full((1, 1, 1), 9, np.uint8)) == (9, 0)


def test_a_turned_picture_has_the_same_shape():
    assert Shape.of(12_000_000, 400, 300) == Shape.of(12_000_000, 300, 400) == (12, 4 / 3)


def test_a_file_without_a_reference_is_as_it_was():
    """So that versions that know none still read it."""
    facts = {
        "name": "selfie",
        "version": 1,
        "labels": [{"name": "no"}, {"name": "yes"}],
        "preprocessing": Preprocessing(height=8, width=8),
        "graph_sha256": graph_sha256(b""),
    }
    bare = ModelMetadata.model_validate(facts)
    assert "reference" not in bare.to_properties()["loupe"]
    reference = Reference(pictures=3, features={"certain": Histogram(edges=(0.5,), counts=(1, 2))})
    filled = ModelMetadata.model_validate(facts | {"reference": reference})
    assert ModelMetadata.from_properties(filled.to_properties()).reference == reference
