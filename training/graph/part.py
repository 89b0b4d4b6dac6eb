"""A model's graph, to be put into another one: cut where its raw answers come out, its names in a room of their own."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import onnx

from models.errors import ExportError

OPSET = 18
"""The least that a part is of; what ``export`` writes."""

_SCALING, _RAW = "temperature/", "temperature/raw"  # the names that ``shipping.temperature`` gives
Nodes = list[onnx.NodeProto]


class Part(NamedTuple):
    """A scaled model's graph.

    Attributes:
        image: the name of its input.
        side: of the picture that it takes, in pixels.
        body: up to its raw answers.
        tail: what scales these.
        constants: by name.
        output: the name of its answers.
    """

    image: str
    side: int
    body: Sequence[onnx.NodeProto]
    tail: Sequence[onnx.NodeProto]
    constants: Mapping[str, onnx.TensorProto]
    output: str


def cut(data: bytes) -> Part:
    """Reads a model.

    Raises:
        ExportError: it is of an old opset, or its answers are not scaled.
    """
    model = onnx.load_from_string(data)
    opset = next(imported.version for imported in model.opset_import if imported.domain in ("", "ai.onnx"))
    if opset < OPSET:
        raise ExportError(f"a part of a cascade is of opset {opset}; at least {OPSET} is wanted")
    graph = model.graph
    body: Nodes = []
    tail: Nodes = []
    for node in graph.node:
        (tail if any(name.startswith(_SCALING) for name in node.input) else body).append(node)
    if not tail:
        raise ExportError("a part of a cascade needs its scaling: export or quantize it with calibration photos")
    constants = {tensor.name: tensor for tensor in graph.initializer}
    side = graph.input[0].type.tensor_type.shape.dim[1].dim_value
    return Part(graph.input[0].name, side, body, tail, constants, graph.output[0].name)


def instance(
    part: Part, owner: str, stage: str, given: Mapping[str, str], raw: str = "", *, scaled: bool = True
) -> Nodes:
    """A part's nodes as a stage: its constants under the owner's name, all else under the stage's.

    Gives ``raw`` and, ``scaled``, ``answers``.
    """
    names = {**given, _RAW: raw or stage + "raw", part.output: stage + "answers"}
    return _named([*part.body, *(part.tail if scaled else ())], stage, names, owner, part)


def scaling_nodes(part: Part, stage: str, raw: str, answers: str) -> Nodes:
    """A part's scaling alone, from ``raw`` answers to ``answers``; its constants under the stage's name."""
    return _named(part.tail, stage, {_RAW: raw, part.output: answers}, stage, part)


def _named(nodes: Iterable[onnx.NodeProto], stage: str, names: Mapping[str, str], owner: str, part: Part) -> Nodes:
    def renamed(name: str) -> str:
        return names.get(name) or (owner if name in part.constants else stage) + name if name else ""

    copies = []
    for node in nodes:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.name = stage + node.name if node.name else ""
        copy.input[:] = [renamed(name) for name in node.input]
        copy.output[:] = [renamed(name) for name in node.output]
        copies.append(copy)
    return copies


def constants(part: Part, owner: str) -> Iterable[onnx.TensorProto]:
    """Yields a part's constants under an owner's name."""
    for name, tensor in part.constants.items():
        copy = onnx.TensorProto()
        copy.CopyFrom(tensor)
        copy.name = owner + name
        yield copy


def scaling_constants(part: Part, owner: str) -> Iterable[onnx.TensorProto]:
    """Those of its scaling alone."""
    scaling = {name: tensor for name, tensor in part.constants.items() if name.startswith(_SCALING)}
    return constants(part._replace(constants=scaling), owner)
