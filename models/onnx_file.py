"""The properties inside an ONNX file, read and written without the onnx package.

An ONNX file is one protobuf message, ``ModelProto``, whose field 14, ``metadata_props``, repeats pairs of strings
(key = 1, value = 2); see https://github.com/onnx/onnx/blob/main/onnx/onnx.proto and
https://protobuf.dev/programming-guides/encoding. Serving lists repositories and checks digests before it builds a
session, and ``models/`` needs neither onnx nor protobuf.
"""

import hashlib
from collections.abc import Iterator, Mapping

from models.errors import InvalidModelError

_METADATA_PROPS, _KEY, _VALUE = 14, 1, 2
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_LENGTHS = {_FIXED64: 8, _FIXED32: 4}


def read_properties(data: bytes) -> dict[str, str]:
    """Returns the ``metadata_props`` of an ONNX file's bytes.

    Raises:
        InvalidModelError: the bytes are not one whole protobuf message.
    """
    properties = {}
    for number, _, body, end in _fields(memoryview(data)):
        if number == _METADATA_PROPS:
            entry = {n: bytes(data[b:e]) for n, _, b, e in _fields(memoryview(data), body, end)}
            properties[_text(entry.get(_KEY, b""))] = _text(entry.get(_VALUE, b""))
    return properties


def graph_sha256(data: bytes) -> str:
    """SHA-256, in hexadecimal, of all of an ONNX file but its properties, so that a property can hold it.

    Raises:
        InvalidModelError: the bytes are not one whole protobuf message.
    """
    return hashlib.sha256(_without_properties(data)).hexdigest()


def with_properties(data: bytes, properties: Mapping[str, str]) -> bytes:
    """Returns an ONNX file's bytes with these properties in place of those it had.

    Raises:
        InvalidModelError: the bytes are not one whole protobuf message.
    """
    return _without_properties(data) + b"".join(_entry(key, value) for key, value in properties.items())


def _without_properties(data: bytes) -> bytes:
    fields = _fields(memoryview(data))
    return b"".join(data[start:end] for number, start, _, end in fields if number != _METADATA_PROPS)


def _entry(key: str, value: str) -> bytes:
    return _length_delimited(
        _METADATA_PROPS, _length_delimited(_KEY, key.encode()) + _length_delimited(_VALUE, value.encode())
    )


def _length_delimited(number: int, body: bytes) -> bytes:
    return _encode_varint(number << 3 | _BYTES) + _encode_varint(len(body)) + body


def _encode_varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _fields(data: memoryview, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int, int, int]]:
    """Yields (field number, start of the tag, start of the body, end of the body) of one message."""
    end = len(data) if end is None else end
    while start < end:
        tag, body = _varint(data, start, end)
        if not tag >> 3:  # which no field has: a disk that lost a file's content leaves zeros
            raise _no_model()
        stop = _end_of_field(data, tag & 7, body, end)
        if tag & 7 == _BYTES:
            _, body = _varint(data, body, end)
        if stop > end:
            raise InvalidModelError("the ONNX file is cut off in the middle of a field")
        yield tag >> 3, start, body, stop
        start = stop


def _end_of_field(data: memoryview, wire_type: int, position: int, end: int) -> int:
    if wire_type == _VARINT:
        return _varint(data, position, end)[1]
    if wire_type == _BYTES:
        length, position = _varint(data, position, end)
        return position + length
    if wire_type in _FIXED_LENGTHS:
        return position + _FIXED_LENGTHS[wire_type]
    raise _no_model()


def _no_model() -> InvalidModelError:
    return InvalidModelError("the file is not an ONNX model: its bytes are no protobuf message")


def _varint(data: memoryview, position: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        if position >= end:
            raise InvalidModelError("the ONNX file is cut off in the middle of a number")
        value |= (data[position] & 0x7F) << shift
        position += 1
        if data[position - 1] < 0x80:
            return value, position
    raise InvalidModelError("the file is not an ONNX model: a number in it has more than 64 bits")


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise InvalidModelError("a property of the ONNX file is not UTF-8 text") from None
