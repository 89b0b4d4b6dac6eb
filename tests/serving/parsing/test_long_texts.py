"""Long texts are read as any, but by nobody who keeps the interpreter to himself meanwhile."""

import json
from base64 import b64encode
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import RequestError
from serving.http.forms.document import read_document
from serving.parsing import long_texts
from serving.parsing.bounded_json import read_json
from serving.parsing.long_texts import LongTexts

TEXT = st.text(alphabet='ab/+=u002bB\\"\n\r\t\u00e9: ,', max_size=40)
JSON = st.recursive(TEXT | st.integers(), lambda one: st.lists(one) | st.dictionaries(TEXT, one))
PHOTO = bytes(range(256)) * 1024


@pytest.fixture(scope="module", autouse=True)
def _short_ones_are_long():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(long_texts, "_LONG_BYTES", 3)
        patch.setattr(long_texts, "_PIECE_BYTES", 7)
        yield


def as_texts(value: object) -> object:
    if isinstance(value, dict):
        return {name: as_texts(one) for name, one in value.items()}
    if isinstance(value, list):
        return [as_texts(one) for one in value]
    return bytes(value).decode() if isinstance(value, memoryview) else value


@given(JSON, st.booleans(), st.booleans())
def test_all_is_read_as_json_reads_it(document, ascii_, slashes):
    text = json.dumps(document, ensure_ascii=ascii_)
    data = (text.replace("/", "\\/") if slashes else text).encode()
    assert as_texts(read_json(data)) == document


@pytest.mark.parametrize("text", ["aGVsbG8h", "aGVs\\/G8h", "aGVs\\nbG8h", "aGVs\\u002bG8h", "aGVsbG8\\u003D"])
def test_the_parser_never_sees_them(text):
    cut = LongTexts(f'{{"b64": "{text}"}}'.encode())
    assert text.encode() not in cut.document
    assert as_texts(cut.put_back(json.loads(cut.document))) == json.loads(f'{{"b64": "{text}"}}')


@pytest.mark.parametrize("data", [b'{"b64": "aGVsbG8h', b'{"b64": "aGVsbG8h\\"}', b'{"b64": "aGVsbG8h" "aGVsbG8h"}'])
def test_what_is_no_json_stays_none(data):
    with pytest.raises(RequestError, match=r"^the body is no JSON: "):
        read_json(data)


@pytest.mark.parametrize("escaped", [False, True])
def test_photos_keys_and_names_come_through(escaped):
    encoded, key = b64encode(PHOTO).decode(), "k" * 100
    body = json.dumps({"instances": [{"a_long_name": {"b64": encoded}, "key": key}]})
    document = read_document((body.replace("/", "\\/") if escaped else body).encode(), 1)
    assert document.images == [PHOTO]
    assert document.keys == [key]


@pytest.mark.parametrize("data", [b'"' * 4_000_000, b'"' + b"\\" * 4_000_001 + b'"', b'["' + b'\\"' * 2_000_000])
def test_what_was_made_to_be_looked_at_for_long_is_not(data):
    with pytest.raises(RequestError, match="no JSON"):  # 16 million million steps would never end
        read_json(data)


def test_a_mark_behind_a_backslash_is_not_a_quarter_of_a_megabyte_to_look_through(monkeypatch):
    """So much had been copied for each: 250 KB of them stopped the event loop for 1.2 s, and 2 MB took 20 s."""
    monkeypatch.setattr(long_texts, "_PIECE_BYTES", 256 * 1024)
    data = b'["' + b'\\"' * 1_000_000 + b'"]'
    started = process_time()
    assert read_json(data) == ['"' * 1_000_000]
    assert process_time() - started < 1
