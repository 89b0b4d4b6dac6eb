import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import RequestError, RequestTooLargeError
from serving.parsing.bounded_json import count_values, read_json, work_bytes
from serving.parsing.off_loop import SMALL_BYTES

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)
)


def values(document: object) -> int:
    inside = document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    return 1 + sum(map(values, inside))


@given(JSON)
def test_it_reads_what_json_reads_and_never_counts_too_few(document):
    data = json.dumps(document).encode()
    assert read_json(data) == document
    assert count_values(data) >= values(document)


@pytest.mark.parametrize("data", [b'"",' * 1000, b'["' + b"\\\\" * 10_000 + b'"]', b"{}," * 5000])
def test_a_small_document_of_many_marks_is_as_much_work_as_a_large_one(data):
    """30 kB of empty texts took 19 ms, though they are no more than 256 KiB."""
    assert len(data) < SMALL_BYTES / 8
    assert work_bytes(data) > SMALL_BYTES


def test_ordinary_documents_are_not():
    row = {"image_bytes": {"b64": "/9j/4AAQ" + "A" * 500}, "key": "a photo"}
    document = json.dumps({"instances": [row] * 64, "signature_name": "serving_default"}).replace("/", "\\/")
    assert work_bytes(document.encode()) < SMALL_BYTES


def test_a_byte_order_mark_is_passed_over():
    assert read_json(b"\xef\xbb\xbf{}") == {}


@pytest.mark.parametrize("data", [b"", b"{", b"NaN", b'{"a": 1}x', b"\xff\xfe{\0}\0", b"[" * 300, b"1" * 5000])
def test_what_is_no_json_is_one_sentence(data):
    with pytest.raises(RequestError, match=r"^the body is no JSON: ") as caught:
        read_json(data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b'{"b64":""},' * 6_000_000, b"[" * 60_000_000, b"[[[[]]]]," * 6_000_000])
def test_what_has_too_many_values_makes_none(data):
    tracemalloc.start()
    with pytest.raises(RequestTooLargeError, match=r"^the body has more than the 10000 values that are allowed"):
        read_json(data)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    "data", [b'["' + b"\\u0041" * 2_000_000 + b'"]', b"[" + b",".join([b"9" * 4000] * 3000) + b"]"]
)
def test_what_is_no_photo_is_not_long(data):
    """Photos are kept out of the parser, which takes up to 0.4 s for the rest, in one call that nobody interrupts."""
    with pytest.raises(RequestTooLargeError, match=r"more than the 8388608 bytes that are allowed beside photos$"):
        read_json(data)
    photos = json.dumps({"instances": ["A" * 17_000] * 1000}).encode()  # 17 MB
    assert len(read_json(photos)["instances"]) == 1000
