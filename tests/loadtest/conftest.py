"""Two models that cost next to nothing, for the servers that load tests start."""

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.metadata import Label, ModelMetadata
from models.onnx_file import graph_sha256, with_properties
from models.preprocessing import Preprocessing
from models.repository import ModelRepository


def grey_model(name: str, labels: list[str]) -> bytes:
    """The least classifier: the mean of 8 x 8 grey pixels decides."""
    weights = np.linspace(-1e-4, 1e-4, 64 * len(labels), dtype=np.float32).reshape(64, len(labels))
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["float"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 8, 8, 1])
    probabilities = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", len(labels)])
    graph = helper.make_graph(nodes, "g", [image], [probabilities], [numpy_helper.from_array(weights, "weights")])
    data = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10).SerializeToString()
    metadata = ModelMetadata(
        name=name,
        version=1,
        labels=tuple(Label(name=label) for label in labels),
        preprocessing=Preprocessing(height=8, width=8, channels=1),
        graph_sha256=graph_sha256(data),
    )
    return with_properties(data, metadata.to_properties())


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    repository = ModelRepository(tmp_path_factory.mktemp("models"))
    repository.publish(grey_model("orientation", ["up", "right", "down", "left"]), "")
    repository.publish(grey_model("selfie", ["not_selfie", "selfie"]), "")
    return repository.root
