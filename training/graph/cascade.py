"""A cascade in one graph: a small network answers; where it is not sure, a large one; then that one in four turns.

``image`` → the picture halved → the small network. Rows of the batch under the first threshold are picked, asked about
again, and their answers put in place of the first ones; those under the second threshold once more, now averaged over
the picture's four turns, of which one is known already. A stage that no row needs is skipped. So what a picture costs
depends on it, and whoever runs the file need not know: it has one input and one output as any other.

Each stage's answers are scaled by its own temperature, so that a probability means the same wherever it comes from.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.errors import ExportError
from training.graph.turning import LABELS

_SCALING, _RAW = "temperature/", "temperature/raw"  # the names that ``shipping.temperature`` gives
_FLOOR = np.float32(1e-7)  # as Keras' epsilon, with which ``turning`` averages
_OPSET = 18  # in which the added nodes are written; what ``export`` writes
_TURNED = range(1, LABELS)
Nodes = list[onnx.NodeProto]


class _Network(NamedTuple):
    """A scaled model's graph, cut where its raw answers come out."""

    image: str
    body: Sequence[onnx.NodeProto]
    tail: Sequence[onnx.NodeProto]
    constants: Mapping[str, onnx.TensorProto]
    output: str


def cascade(first: bytes, second: bytes, third: bytes, thresholds: tuple[float, float], side: int) -> bytes:
    """Composes one file of three.

    Args:
        first: the small network with its scaling; it must take pictures of half the side.
        second: the large one with its scaling for one run.
        third: the large one again, with its scaling for the average over four turns.
        thresholds: the probabilities under which the second and the third stage are asked.
        side: of the picture, in pixels; even.

    Returns:
        An ONNX file: ``image: uint8[N,side,side,3]`` → ``probabilities: float32[N,4]``, N free; not stamped.

    Raises:
        ExportError: a file has no scaling or is of an old opset, or the side is odd.
    """
    if side % 2:
        raise ExportError(f"a picture of {side} pixels cannot be halved")
    small, large, averaged = (_cut(data) for data in (first, second, third))
    constants = [
        *_owned(small, "small/"),
        *_owned(large, "large/"),
        *_scaling_of(averaged, "third/"),
        *_numbers(thresholds),
    ]
    nodes = [
        *_halved("image", "halved"),
        *_instance(small, "small/", "first/", {small.image: "halved"}),
        *_unsure("first/answers", "threshold/1", "second/"),
        _either("second/any", _second_stage(large, averaged), "first/answers", "probabilities"),
    ]
    graph = helper.make_graph(
        nodes,
        "cascade",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", side, side, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", LABELS])],
        constants,
    )
    given = onnx.load_from_string(second)
    model = helper.make_model(graph, opset_imports=given.opset_import, ir_version=given.ir_version)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _second_stage(large: _Network, averaged: _Network) -> onnx.GraphProto:
    nodes = [
        helper.make_node("Gather", ["image", "second/rows"], ["second/image"], axis=0),
        *_instance(large, "large/", "second/", {large.image: "second/image"}),
        *_unsure("second/answers", "threshold/2", "third/"),
        _either("third/any", _third_stage(large, averaged), "second/answers", "second/settled"),
        helper.make_node("ScatterND", ["first/answers", "second/places", "second/settled"], ["second/out"]),
    ]
    return _branch(nodes, "second", "second/out")


def _third_stage(large: _Network, averaged: _Network) -> onnx.GraphProto:
    """The three other turns, averaged with the answer that is known."""
    turned = [f"third/image{turn}" for turn in _TURNED]
    nodes = [
        helper.make_node("Gather", ["second/image", "third/rows"], ["third/image0"], axis=0),
        helper.make_node("Transpose", ["third/image0"], ["third/swapped"], perm=[0, 2, 1, 3]),
        _flipped("third/swapped", "third/image1", "2"),
        _flipped("third/image0", "third/image2", "12"),
        _flipped("third/swapped", "third/image3", "1"),
        helper.make_node("Concat", turned, ["third/images"], axis=0),
        *_instance(large, "large/", "third/", {large.image: "third/images"}, "third/others", scaled=False),
        helper.make_node("Gather", ["second/raw", "third/rows"], ["third/known"], axis=0),
        *_average(),
        *_named(averaged.tail, "third/", {_RAW: "third/raw", averaged.output: "third/settled"}, "third/", averaged),
        helper.make_node("ScatterND", ["second/answers", "third/places", "third/settled"], ["third/out"]),
    ]
    return _branch(nodes, "third", "third/out")


def _average() -> Nodes:
    """The geometric mean of four answers, each turned back, as ``turning.averaged_over_turns`` makes it."""
    logs = [f"third/log{turn}" for turn in range(LABELS)]
    back = [f"third/back{turn}" for turn in range(LABELS)]
    return [
        helper.make_node("Concat", ["third/known", "third/others"], ["third/all"], axis=0),
        helper.make_node("Max", ["third/all", "floor"], ["third/positive"]),
        helper.make_node("Log", ["third/positive"], ["third/logs"]),
        helper.make_node("Split", ["third/logs"], logs, axis=0, num_outputs=LABELS),
        *(helper.make_node("Gather", [logs[turn], f"back{turn}"], [back[turn]], axis=1) for turn in range(LABELS)),
        helper.make_node("Mean", back, ["third/mean"]),
        helper.make_node("Softmax", ["third/mean"], ["third/raw"], axis=1),
    ]


def _halved(image: str, output: str) -> Nodes:
    """Means of two by two pixels, rounded half up: what an area filter makes of a picture of half the side."""
    names = [f"halved/{step}" for step in ("float", "channels_first", "mean", "channels_last", "half", "whole")]
    return [
        helper.make_node("Cast", [image], [names[0]], to=TensorProto.FLOAT),
        helper.make_node("Transpose", [names[0]], [names[1]], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", [names[1]], [names[2]], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Transpose", [names[2]], [names[3]], perm=[0, 2, 3, 1]),
        helper.make_node("Add", [names[3], "half"], [names[4]]),
        helper.make_node("Floor", [names[4]], [names[5]]),
        helper.make_node("Cast", [names[5]], [output], to=TensorProto.UINT8),
    ]


def _unsure(answers: str, threshold: str, prefix: str) -> Nodes:
    """Which rows lie under a threshold: ``rows`` [M], ``places`` [M,1], and whether there are ``any``."""
    top, under, found, count = (prefix + name for name in ("top", "under", "found", "count"))
    return [
        helper.make_node("ReduceMax", [answers, "axis1"], [top], keepdims=0),
        helper.make_node("Less", [top, threshold], [under]),
        helper.make_node("NonZero", [under], [found]),
        helper.make_node("Transpose", [found], [prefix + "places"], perm=[1, 0]),
        helper.make_node("Squeeze", [found, "axis0"], [prefix + "rows"]),
        helper.make_node("Size", [found], [count]),
        helper.make_node("Greater", [count, "zero"], [prefix + "any"]),
    ]


def _flipped(image: str, output: str, axes: str) -> onnx.NodeProto:
    return helper.make_node("Slice", [image, f"start{axes}", f"stop{axes}", f"axes{axes}", f"start{axes}"], [output])


def _either(condition: str, then: onnx.GraphProto, otherwise: str, output: str) -> onnx.NodeProto:
    kept = output + "/kept"
    as_is = _branch([helper.make_node("Identity", [otherwise], [kept])], "kept", kept)
    return helper.make_node("If", [condition], [output], then_branch=then, else_branch=as_is)


def _branch(nodes: Nodes, name: str, output: str) -> onnx.GraphProto:
    return helper.make_graph(nodes, name, [], [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)])


def _numbers(thresholds: tuple[float, float]) -> Iterable[onnx.TensorProto]:
    whole = {"axis0": [0], "axis1": [1], "zero": 0}
    for axes in ("1", "2", "12"):
        ones = [-1] * len(axes)
        whole |= {
            f"start{axes}": ones,
            f"stop{axes}": [np.iinfo(np.int64).min] * len(axes),
            f"axes{axes}": list(map(int, axes)),
        }
    whole |= {f"back{turn}": list((np.arange(LABELS) + turn) % LABELS) for turn in range(LABELS)}
    parts = {"half": 0.5, "floor": _FLOOR, "threshold/1": thresholds[0], "threshold/2": thresholds[1]}
    yield from (numpy_helper.from_array(np.array(value, np.int64), name) for name, value in whole.items())
    yield from (numpy_helper.from_array(np.array(value, np.float32), name) for name, value in parts.items())


def _cut(data: bytes) -> _Network:
    model = onnx.load_from_string(data)
    opset = next(imported.version for imported in model.opset_import if imported.domain in ("", "ai.onnx"))
    if opset < _OPSET:
        raise ExportError(f"a part of a cascade is of opset {opset}; at least {_OPSET} is wanted")
    graph = model.graph
    body: Nodes = []
    tail: Nodes = []
    for node in graph.node:
        (tail if any(name.startswith(_SCALING) for name in node.input) else body).append(node)
    if not tail:
        raise ExportError("a part of a cascade needs its scaling: export or quantize it with calibration photos")
    constants = {tensor.name: tensor for tensor in graph.initializer}
    return _Network(graph.input[0].name, body, tail, constants, graph.output[0].name)


def _instance(
    network: _Network, owner: str, stage: str, given: Mapping[str, str], raw: str = "", *, scaled: bool = True
) -> Nodes:
    """A network's nodes as a stage: its constants under the owner's name, all else under the stage's.

    Gives ``raw`` and, ``scaled``, ``answers``.
    """
    names = {**given, _RAW: raw or stage + "raw", network.output: stage + "answers"}
    nodes = [*network.body, *(network.tail if scaled else ())]
    return _named(nodes, stage, names, owner, network)


def _named(
    nodes: Iterable[onnx.NodeProto], stage: str, names: Mapping[str, str], owner: str, network: _Network
) -> Nodes:
    def renamed(name: str) -> str:
        return names.get(name) or (owner if name in network.constants else stage) + name if name else ""

    copies = []
    for node in nodes:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.name = stage + node.name if node.name else ""
        copy.input[:] = [renamed(name) for name in node.input]
        copy.output[:] = [renamed(name) for name in node.output]
        copies.append(copy)
    return copies


def _owned(network: _Network, owner: str) -> Iterable[onnx.TensorProto]:
    for name, tensor in network.constants.items():
        copy = onnx.TensorProto()
        copy.CopyFrom(tensor)
        copy.name = owner + name
        yield copy


def _scaling_of(network: _Network, owner: str) -> Iterable[onnx.TensorProto]:
    scaling = {name: tensor for name, tensor in network.constants.items() if name.startswith(_SCALING)}
    return _owned(network._replace(constants=scaling), owner)
