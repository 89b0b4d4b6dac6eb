import numpy as np
import pytest

from models.errors import TrainingError
from training.networks.architectures import ARCHITECTURES, build


def test_the_talk_s_orientation_network_has_912836_parameters():
    model = build("orientation_talk", (256, 256, 3), 4, 0.5)
    assert model.count_params() == 912_836
    assert model.output_shape == (None, 4)
    assert model.layers[-1].activation.__name__ == "softmax"


def test_the_talk_s_selfie_network_has_213857_parameters():
    model = build("selfie_talk", (20, 20, 1), 2, 0.5)
    assert model.count_params() == 213_857
    assert model.output_shape == (None, 1)
    assert model.layers[-1].activation.__name__ == "sigmoid"
    rates = [layer.rate for layer in model.layers if hasattr(layer, "rate")]
    assert rates == [0.3, 0.3, 0.5]


def test_the_filters_are_the_talk_s():
    convolutions = [layer for layer in build("orientation_talk", (64, 64, 3), 4, 0.5).layers if "conv" in layer.name]
    assert [layer.filters for layer in convolutions] == [16, 32, 48, 64, 80]
    assert {layer.kernel_size for layer in convolutions} == {(3, 3)}
    assert {layer.padding for layer in convolutions} == {"same"}


@pytest.mark.parametrize(
    ("name", "shape", "labels", "columns"),
    [
        ("orientation_talk", (64, 64, 3), 7, 7),
        ("orientation_talk", (40, 56, 1), 2, 2),
        ("selfie_talk", (24, 20, 3), 2, 1),
        ("efficientnet_lite0", (64, 64, 3), 3, 3),
    ],
)
def test_pixels_of_any_shape_give_probabilities(name, shape, labels, columns):
    model = build(name, shape, labels, 0.1)
    pixels = np.random.default_rng(1).integers(0, 256, (3, *shape), dtype=np.uint8)
    answers = model.predict(pixels, verbose=0)
    assert (answers.shape, answers.dtype) == ((3, columns), np.float32)
    assert ((answers > 0) & (answers < 1)).all()
    if columns > 1:
        np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-5)
    assert model.input.dtype == "uint8"


def test_what_cannot_be_built_is_told():
    with pytest.raises(TrainingError, match="there is no architecture 'resnet'; there are: efficientnet_lite0, "):
        build("resnet", (8, 8, 3), 2, 0)
    with pytest.raises(TrainingError, match="selfie_talk tells two labels apart, not 3"):
        build("selfie_talk", (20, 20, 1), 3, 0.5)
    assert {"orientation_talk", "selfie_talk"} < set(ARCHITECTURES)
