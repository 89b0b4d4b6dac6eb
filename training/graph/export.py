"""Keras → ONNX at fp32, checked against the Keras model on real pictures before anything is kept."""

from collections.abc import Sequence

import keras
import numpy as np
import onnx
import tensorflow as tf
import tf2onnx
from keras import layers
from numpy.typing import NDArray

from training.graph.parity import check_parity

OPSET = 18  # the newest that tf2onnx 1.17 writes


def serving_model(network: keras.Model) -> keras.Model:
    """Names the input ``image``, and widens a one-unit sigmoid p to the two columns [1 - p, p]."""
    image = keras.Input(network.input_shape[1:], dtype="uint8", name="image")
    probabilities = network(image)
    if network.output_shape[-1] == 1:
        probabilities = layers.Concatenate()([1 - probabilities, probabilities])
    return keras.Model(image, probabilities, name=network.name)


def export(network: keras.Model, pictures: NDArray[np.uint8]) -> bytes:
    """Converts a float32 network.

    Args:
        network: ``uint8[N,H,W,C]`` → ``float32[N,K]`` softmax or ``float32[N,1]`` sigmoid.
        pictures: ``uint8[M,H,W,C]``, real ones, that both are asked about.

    Returns:
        An ONNX file: ``image: uint8[N,H,W,C]`` → ``probabilities: float32[N,K]``, N free.

    Raises:
        ExportError: the answers differ by more than ``parity.MAX_DIFFERENCE``.
    """
    model = serving_model(network)
    signature = [tf.TensorSpec((None, *network.input_shape[1:]), tf.uint8, name="image")]
    proto, _ = tf2onnx.convert.from_keras(model, signature, opset=OPSET)
    data = _with_names(proto).SerializeToString()
    check_parity(model.predict(pictures, verbose=0), data, pictures)
    return bytes(data)


def _with_names(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Gives the output its name and the batch axis the name N; tf2onnx names them after layers and ``unk__7``."""
    graph = proto.graph
    rename = {graph.output[0].name: "probabilities"}
    for node in graph.node:
        _rename(node.input, rename)
        _rename(node.output, rename)
    graph.output[0].name = "probabilities"
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    del graph.value_info[:]  # shapes inside the graph, which name the old batch axis
    onnx.checker.check_model(proto)
    return proto


def _rename(names: Sequence[str], rename: dict[str, str]) -> None:
    for index, name in enumerate(names):
        if name in rename:
            names[index] = rename[name]  # type: ignore[index]
