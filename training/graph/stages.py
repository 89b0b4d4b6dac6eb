"""A cascade's file, changed to be measured: answering by one stage alone, or telling which stage gave each answer."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from training.graph.cascade import THRESHOLDS
from training.graph.quarters import LABELS

STAGES = ("the small network", "the large network", "four turns")
_NEVER, _ALWAYS = 0.0, 2.0  # thresholds under which no probability lies, and every one


def is_cascade(data: bytes) -> bool:
    """Whether an ONNX file was made by ``cascade``."""
    constants = {tensor.name for tensor in onnx.load_from_string(data).graph.initializer}
    return constants.issuperset(THRESHOLDS)


def answering_by(data: bytes, stage: int) -> bytes:
    """The same file, in which each picture goes on to this stage and no further: 0, 1 or 2."""
    model = onnx.load_from_string(data)
    forced = {name: _ALWAYS if stage > place else _NEVER for place, name in enumerate(THRESHOLDS)}
    for tensor in model.graph.initializer:
        if tensor.name in forced:
            tensor.CopyFrom(numpy_helper.from_array(np.array(forced[tensor.name], np.float32), tensor.name))
    return bytes(model.SerializeToString())


def telling_stages(data: bytes) -> bytes:
    """The same file with another column behind the probabilities: the number of the stage that gave them."""
    model = onnx.load_from_string(data)
    graph = model.graph
    graph.node[-1].output[0] = "answered"
    graph.initializer.extend(
        numpy_helper.from_array(np.array(value, np.float32), f"stage/{value}") for value in range(len(STAGES))
    )
    graph.node.extend(
        [
            helper.make_node("ReduceMax", ["answered", "axis1"], ["stage/top"], keepdims=1),
            helper.make_node("Mul", ["stage/top", "stage/0"], ["stage/none"]),
            *_marked("second/rows", "stage/none", 1, "stage/second"),
            *_marked("third/rows", "stage/second", 2, "stage/third"),
            helper.make_node("Concat", ["answered", "stage/third"], ["probabilities"], axis=1),
        ]
    )
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", LABELS + 1]))
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _marked(rows: str, before: str, stage: int, output: str) -> list[onnx.NodeProto]:
    places, zero, mark = (output + name for name in ("/places", "/zero", "/mark"))
    return [
        helper.make_node("Unsqueeze", [rows, "axis1"], [places]),
        helper.make_node("Cast", [places], [places + "/float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [places + "/float", "stage/0"], [zero]),
        helper.make_node("Add", [zero, f"stage/{stage}"], [mark]),
        helper.make_node("ScatterND", [before, places, mark], [output]),
    ]
