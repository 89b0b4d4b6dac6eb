"""A cascade in one graph: a small network answers; where it is not sure, a large one; then that one in four turns.

``image`` → the picture halved → the small network. Rows of the batch under the first threshold are picked, asked about
again, and their answers put in place of the first ones; those under the second threshold once more, now averaged over
the picture's four turns, of which one is known already. A stage that no row needs is skipped. So what a picture costs
depends on it, and whoever runs the file need not know: it has one input and one output as any other.

The stages that may be skipped stand beside each other, not one in the other: of weights that lie two graphs further out
ONNX Runtime 1.31 does not change the layout beforehand, and the third stage took half as long again.

What the small network said is not forgotten: the large one's answer in one run is taken together with it, as the
product of both to a power that is chosen (Hinton 2002, "Training products of experts"). The average over four turns is
not, as it knows better by itself, and turns with the picture. Each stage's answers are scaled by its own temperature,
so that a probability means the same wherever it comes from.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.errors import ExportError
from training.graph.part import Nodes, Part, constants, cut, instance, scaling_constants, scaling_nodes
from training.graph.quarters import FLOOR, LABELS

THRESHOLDS = ("threshold/1", "threshold/2")
"""The constants under which the second and the third stage are asked."""

_TURNED = range(1, LABELS)
_AFTER_SECOND = ["after/answers", "third/rows", "third/known"]


def cascade(
    first: bytes, second: bytes, third: bytes, thresholds: tuple[float, float], side: int, *, weight: float = 0.0
) -> bytes:
    """Composes one file of three.

    Args:
        first: the small network with its scaling; of the same side, or of any other: then it gets the picture halved.
        second: the large one with its scaling for one run, taken together with the small one's answer.
        third: the large one again, with its scaling for the average over four turns.
        thresholds: the probabilities under which the second and the third stage are asked.
        side: of the picture, in pixels; even.
        weight: the power of the small network's answer beside the large one's; 0 forgets it.

    Returns:
        An ONNX file: ``image: uint8[N,side,side,3]`` → ``probabilities: float32[N,4]``, N free; not stamped.

    Raises:
        ExportError: a file has no scaling or is of an old opset, or the side is odd.
    """
    small, large, averaged = (cut(data) for data in (first, second, third))
    if small.side != side and side % 2:
        raise ExportError(f"a picture of {side} pixels cannot be halved")
    numbers = [
        *constants(small, "small/"),
        *constants(large, "large/"),
        *scaling_constants(large, "second/"),
        *scaling_constants(averaged, "third/"),
        *_numbers(thresholds, weight),
    ]
    nodes = [
        *_first_stage(small, side),
        *_unsure("first/answers", THRESHOLDS[0], "second/"),
        *_any("second/rows", "second/"),
        _either("second/any", _second_stage(large), ["first/answers", "none/rows", "none/answers"], _AFTER_SECOND),
        *_any("third/rows", "third/"),
        _either("third/any", _third_stage(large, averaged), ["after/answers"], ["probabilities"]),
    ]
    read = set(_names(nodes))  # ONNX Runtime warns of numbers that nobody reads
    numbers = [number for number in numbers if number.name in read]
    graph = helper.make_graph(
        nodes,
        "cascade",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", side, side, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", LABELS])],
        numbers,
    )
    given = onnx.load_from_string(second)
    model = helper.make_model(graph, opset_imports=given.opset_import, ir_version=given.ir_version)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _first_stage(small: Part, side: int) -> Nodes:
    if small.side == side:
        return instance(small, "small/", "first/", {small.image: "image"})
    return [*_halved("image", "halved"), *instance(small, "small/", "first/", {small.image: "halved"})]


def _second_stage(large: Part) -> onnx.GraphProto:
    """Gives all answers, and of the rows that are still unsure their numbers and unscaled answers."""
    nodes = [
        helper.make_node("Gather", ["image", "second/rows"], ["second/image"], axis=0),
        *instance(large, "large/", "second/", {large.image: "second/image"}, scaled=False),
        *_taken_together(),
        *scaling_nodes(large, "second/", "second/joint", "second/answers"),
        helper.make_node("ScatterND", ["first/answers", "second/places", "second/answers"], ["second/out"]),
        *_unsure("second/answers", THRESHOLDS[1], "second/still/"),
        helper.make_node("Gather", ["second/rows", "second/still/rows"], ["second/left"], axis=0),
        helper.make_node("Gather", ["second/raw", "second/still/rows"], ["second/known"], axis=0),
    ]
    return _branch(nodes, "second", ["second/out", "second/left", "second/known"])


def _taken_together() -> Nodes:
    """The large network's raw answers times the small one's to a power, of the rows that were asked again."""
    return [
        helper.make_node("Gather", ["first/answers", "second/rows"], ["second/before"], axis=0),
        *_logarithm("second/before"),
        *_logarithm("second/raw"),
        helper.make_node("Mul", ["second/before/log", "weight"], ["second/before/weighed"]),
        helper.make_node("Add", ["second/raw/log", "second/before/weighed"], ["second/sum"]),
        helper.make_node("Softmax", ["second/sum"], ["second/joint"], axis=1),
    ]


def _logarithm(answers: str) -> Nodes:
    return [
        helper.make_node("Max", [answers, "floor"], [answers + "/positive"]),
        helper.make_node("Log", [answers + "/positive"], [answers + "/log"]),
    ]


def _third_stage(large: Part, averaged: Part) -> onnx.GraphProto:
    """The three other turns, averaged with the answer that is known."""
    turned = [f"third/image{turn}" for turn in _TURNED]
    nodes = [
        helper.make_node("Gather", ["image", "third/rows"], ["third/image0"], axis=0),
        helper.make_node("Transpose", ["third/image0"], ["third/swapped"], perm=[0, 2, 1, 3]),
        _flipped("third/swapped", "third/image1", "2"),
        _flipped("third/image0", "third/image2", "12"),
        _flipped("third/swapped", "third/image3", "1"),
        helper.make_node("Concat", turned, ["third/images"], axis=0),
        *instance(large, "large/", "third/", {large.image: "third/images"}, "third/others", scaled=False),
        *_average(),
        *scaling_nodes(averaged, "third/", "third/raw", "third/settled"),
        helper.make_node("Unsqueeze", ["third/rows", "axis1"], ["third/places"]),
        helper.make_node("ScatterND", ["after/answers", "third/places", "third/settled"], ["third/out"]),
    ]
    return _branch(nodes, "third", ["third/out"])


def _average() -> Nodes:
    """The geometric mean of four answers, each turned back, as ``turning.averaged_over_turns`` makes it."""
    logs = [f"third/log{turn}" for turn in range(LABELS)]
    back = [f"third/back{turn}" for turn in range(LABELS)]
    return [
        helper.make_node("Concat", ["third/known", "third/others"], ["third/all"], axis=0),
        *_logarithm("third/all"),
        helper.make_node("Split", ["third/all/log"], logs, axis=0, num_outputs=LABELS),
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
    """Which rows lie under a threshold: ``rows`` [M], ``places`` [M,1]."""
    top, under, found = (prefix + name for name in ("top", "under", "found"))
    return [
        helper.make_node("ReduceMax", [answers, "axis1"], [top], keepdims=0),
        helper.make_node("Less", [top, threshold], [under]),
        helper.make_node("NonZero", [under], [found]),
        helper.make_node("Transpose", [found], [prefix + "places"], perm=[1, 0]),
        helper.make_node("Squeeze", [found, "axis0"], [prefix + "rows"]),
    ]


def _any(rows: str, prefix: str) -> Nodes:
    """Whether there are any rows."""
    return [
        helper.make_node("Size", [rows], [prefix + "count"]),
        helper.make_node("Greater", [prefix + "count", "zero"], [prefix + "any"]),
    ]


def _flipped(image: str, output: str, axes: str) -> onnx.NodeProto:
    return helper.make_node("Slice", [image, f"start{axes}", f"stop{axes}", f"axes{axes}", f"start{axes}"], [output])


def _either(condition: str, then: onnx.GraphProto, otherwise: Sequence[str], outputs: Sequence[str]) -> onnx.NodeProto:
    kept = [f"{output}/kept" for output in outputs]
    nodes = [helper.make_node("Identity", [given], [name]) for given, name in zip(otherwise, kept, strict=True)]
    return helper.make_node(
        "If", [condition], outputs, then_branch=then, else_branch=_branch(nodes, then.name + "/skipped", kept)
    )


def _names(nodes: Iterable[onnx.NodeProto]) -> Iterator[str]:
    """Of all that nodes read, those within their branches too."""
    for node in nodes:
        yield from node.input
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _names(attribute.g.node)


def _branch(nodes: Nodes, name: str, outputs: Sequence[str]) -> onnx.GraphProto:
    """Its first output are probabilities; then come, if at all, numbers of rows and probabilities."""
    types = (TensorProto.FLOAT, TensorProto.INT64, TensorProto.FLOAT)
    infos = [helper.make_tensor_value_info(output, kind, None) for output, kind in zip(outputs, types, strict=False)]
    return helper.make_graph(nodes, name, [], infos)


def _numbers(thresholds: tuple[float, float], weight: float) -> Iterable[onnx.TensorProto]:
    whole: dict[str, list[int] | int] = {"axis0": [0], "axis1": [1], "zero": 0, "none/rows": []}
    for axes in ("1", "2", "12"):
        ones = [-1] * len(axes)
        whole |= {
            f"start{axes}": ones,
            f"stop{axes}": [np.iinfo(np.int64).min] * len(axes),
            f"axes{axes}": list(map(int, axes)),
        }
    whole |= {f"back{turn}": list((np.arange(LABELS) + turn) % LABELS) for turn in range(LABELS)}
    parts = {"half": 0.5, "floor": FLOOR, "weight": weight, **dict(zip(THRESHOLDS, thresholds, strict=True))}
    yield from (numpy_helper.from_array(np.array(value, np.int64), name) for name, value in whole.items())
    yield from (numpy_helper.from_array(np.array(value, np.float32), name) for name, value in parts.items())
    yield numpy_helper.from_array(np.zeros((0, LABELS), np.float32), "none/answers")
