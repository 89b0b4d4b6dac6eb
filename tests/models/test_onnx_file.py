from contextlib import suppress
from time import process_time

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from models.errors import InvalidModelError
from models.onnx_file import graph_sha256, read_properties, with_properties

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def model(properties: dict[str, str], weight: float = 2.0) -> bytes:
    """A model that the onnx package wrote."""
    weights = helper.make_tensor("w", TensorProto.FLOAT, [1, 3], np.full(3, weight, np.float32))
    signature = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3]) for name in ("x", "y")]
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "w"], ["y"])], "g", signature[:1], signature[1:], [weights]
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(proto, properties)
    return proto.SerializeToString()


def properties_by_onnx(data: bytes) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load_model_from_string(data).metadata_props}


@given(st.dictionaries(TEXTS, TEXTS, max_size=4))
@settings(deadline=None)
def test_it_reads_what_onnx_writes(properties):
    assert read_properties(model(properties)) == properties


@given(st.dictionaries(TEXTS, TEXTS, max_size=4), st.dictionaries(TEXTS, TEXTS, max_size=4))
@settings(deadline=None)
def test_onnx_reads_what_it_writes_and_the_rest_is_unchanged(before, after):
    data = with_properties(model(before), after)
    assert properties_by_onnx(data) == read_properties(data) == after
    onnx.checker.check_model(data)
    bare = onnx.load_model_from_string(data)
    del bare.metadata_props[:]
    assert bare == onnx.load_model_from_string(model({}))


@pytest.mark.parametrize("length", [0, 1, 127, 128, 16_383, 16_384, 3_000_000])
def test_values_of_any_length(length):
    properties = {"loupe": "ü" * length}
    data = with_properties(model({}), properties)
    assert properties_by_onnx(data) == read_properties(data) == properties


def test_the_digest_is_of_the_graph_and_not_of_the_properties():
    data = model({"a": "1"})
    digest = graph_sha256(data)
    assert graph_sha256(with_properties(data, {})) == digest
    assert graph_sha256(with_properties(data, {"loupe": digest})) == digest
    assert graph_sha256(model({"a": "1"}, weight=2.5)) != digest


def test_writing_the_same_properties_again_changes_no_byte():
    once = with_properties(model({"old": "1"}), {"loupe": "{}"})
    assert with_properties(once, read_properties(once)) == once


@pytest.mark.parametrize("function", [read_properties, graph_sha256, lambda data: with_properties(data, {"a": "b"})])
def test_a_file_cut_anywhere_is_never_taken_for_another_graph(function):
    data = model({"loupe": "document"})
    whole = {graph_sha256(data)}
    for end in range(len(data)):
        try:
            function(data[:end])
        except InvalidModelError:
            continue
        assert graph_sha256(data[:end]) not in whole or end >= len(data) - 20  # only the property itself is missing


@pytest.mark.parametrize(
    "data", [b"\x0b", b"\x0f", b"\xff" * 11, b"\x72\x05abc", b"\x72\x04\x0a\x02\xff\xfe", b"not a model"]
)
def test_what_is_no_model_is_an_error(data):
    with pytest.raises(InvalidModelError):
        read_properties(data)


@given(st.binary(max_size=200))
def test_random_bytes_raise_nothing_but_invalid_model_errors(data):
    for function in (read_properties, graph_sha256):
        with suppress(InvalidModelError):
            function(data)


@pytest.mark.parametrize("size", [1, 100_000_000])
def test_a_file_of_zeros_is_no_model(size):
    """Which a crash may leave, or a copy that has just begun. No field is number 0, so no second byte is looked at."""
    started = process_time()
    with pytest.raises(InvalidModelError, match=r"^the file is not an ONNX model: its bytes are no protobuf message$"):
        read_properties(bytes(size))
    assert process_time() - started < 1
