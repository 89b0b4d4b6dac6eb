import keras
import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from models.errors import ModelNotFoundError
from models.metadata import ModelMetadata
from models.onnx_file import graph_sha256
from models.preprocessing import Preprocessing
from models.repository import ModelRepository
from training.examples import looking_inside
from training.graph.export import export
from training.graph.inference import OnnxClassifier
from training.networks import architectures
from training.photos.tasks import ORIENTATION
from training.shipping.stamp import stamp


@pytest.fixture(scope="module", params=[("orientation_talk", 16, 1), ("efficientnet_lite0", 32, 2)], ids=lambda p: p[0])
def published(request, tmp_path_factory):
    """An exported network with fresh weights: path, Keras model, filters and stride of its first convolution."""
    name, filters, stride = request.param
    keras.utils.set_random_seed(0)
    network = architectures.build(name, (64, 64, 3), 4, 0.0)
    preprocessing = Preprocessing(height=64, width=64)
    graph = export(network, preprocessing.apply(Image.fromarray(astronaut()))[None])
    facts = {"name": "orientation", "version": 3, "labels": ORIENTATION.labels, "preprocessing": preprocessing}
    path = tmp_path_factory.mktemp("models") / "orientation" / "3" / "model.onnx"
    path.parent.mkdir(parents=True)
    path.write_bytes(stamp(graph, ModelMetadata(**facts, graph_sha256=graph_sha256(graph))))
    return path, network, filters, stride


def test_kernels_and_feature_maps_are_those_of_the_network(published, tmp_path, monkeypatch):
    path, network, filters, stride = published
    monkeypatch.setattr(looking_inside, "PLACES", 5)
    kernels, features, seen = looking_inside.main(tmp_path, path)
    first = next(layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D))
    np.testing.assert_allclose(kernels, first.kernel.numpy().transpose(3, 2, 0, 1), atol=1e-6)
    rescaled = network.layers[1](seen[0].pixels[None].astype("float32"))
    expected = keras.ops.relu(keras.ops.conv(rescaled, first.kernel, strides=stride, padding="same") + first.bias)
    np.testing.assert_allclose(features, expected.numpy()[0].transpose(2, 0, 1), atol=1e-4)
    assert features.shape == (filters, 64 // stride, 64 // stride)
    assert [one.left.shape for one in seen] == [(5, 5), (5, 5)]
    assert (tmp_path / "looking_inside.png").is_file()


def test_the_map_shows_what_decides(workshop):
    """This model's answer is where it is brightest: of a picture with one bright half, nothing else matters."""
    pixels = np.full((16, 16, 3), looking_inside.GREY, np.uint8)
    pixels[:8] += 20
    seen = looking_inside.look(OnnxClassifier(workshop.sky_model()), pixels)
    assert ORIENTATION.labels[seen.label].name == "up"
    lost, middle = seen.probability - seen.left, looking_inside.PLACES // 2
    assert lost[: middle - 1].min() > 0.01
    np.testing.assert_allclose(lost[middle + 3 :], 0, atol=1e-6)


def test_by_default_the_newest_published_model_is_looked_into(published, tmp_path, monkeypatch, capsys):
    root = published[0].parents[2]
    monkeypatch.setattr(looking_inside, "PLACES", 3)
    monkeypatch.setattr(looking_inside, "ModelRepository", lambda folder: ModelRepository(root))
    looking_inside.main(tmp_path)
    assert "orientation 3: " in capsys.readouterr().out


def test_without_one_the_error_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelNotFoundError, match="there is no model 'orientation'"):
        looking_inside.main(tmp_path)
