import json

import numpy as np
import pytest
from google.protobuf import text_format
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from tensorboard.plugins.graph.keras_util import keras_model_to_graph_def
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig
from tensorboard.util.tensor_util import make_ndarray

from training.examples import small_cnn


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def answer(logs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small_cnn, "EPOCHS", 4)
        learnt = small_cnn.main(folder, logs)
    assert (folder / "small_cnn.png").is_file()
    return learnt


def events(folder):
    return [event for path in folder.glob("events.*") for event in LegacyEventFileLoader(str(path)).Load()]


def test_the_weights_are_those_of_the_slide_but_for_one_figure():
    model = small_cnn.network()
    assert small_cnn.weight_counts(model) == [400, 3_200, 1_536, 117_600, 2_000]
    assert small_cnn.SLIDE == (400, 3_600, 1_536, 117_600, 2_000)
    assert 5 * 5 * 16 * 8 == 3_200
    assert model.count_params() == 124_736 + 16 + 8 + 12 + 200 + 10


def test_the_layers_have_the_slide_s_shapes():
    shapes = [tuple(layer.output.shape[1:]) for layer in small_cnn.network().layers]
    assert shapes == [(28, 28, 1), (28, 28, 16), (14, 14, 8), (7, 7, 12), (588,), (200,), (10,)]


def test_digits_keep_their_looks():
    pixels, held_out, labels, held_out_labels = small_cnn.digits()
    assert (pixels.shape, held_out.shape) == ((1347, 28, 28, 1), (450, 28, 28, 1))
    assert (pixels.min(), pixels.max()) == (0, 1)
    assert set(labels) == set(held_out_labels) == set(range(10))


def test_it_reads_nearly_all_digits(answer):
    assert answer.history["val_accuracy"][-1] > 0.9
    assert answer.activations.shape == (450, 200)


def test_tensorboard_finds_graph_scalars_and_embeddings(answer, logs):
    training = events(logs / "train")
    tags = {value.tag for event in training + events(logs / "validation") for value in event.summary.value}
    assert {"epoch_loss", "epoch_accuracy"} <= tags
    (graph,) = [value.tensor for event in training for value in event.summary.value if value.tag == "keras"]
    nodes = keras_model_to_graph_def(json.loads(make_ndarray(graph).item())).node
    assert {node.name.split("/")[-1] for node in nodes} > {"conv16", "conv8", "conv12", "embedding", "digit"}
    embedding = text_format.Parse((logs / "projector_config.pbtxt").read_text(), ProjectorConfig()).embeddings[0]
    vectors = np.loadtxt(logs / embedding.tensor_path, delimiter="\t")
    np.testing.assert_allclose(vectors, answer.activations, rtol=1e-3, atol=1e-3)
    assert len((logs / embedding.metadata_path).read_text().splitlines()) == len(vectors)


def test_the_device_of_each_layer_is_told():
    pixels = np.zeros((1, 28, 28, 1), np.float32)
    placed = small_cnn.placements(small_cnn.network(), pixels)
    assert len(placed) == 6
    assert all("/device:" in device for device in placed.values())
