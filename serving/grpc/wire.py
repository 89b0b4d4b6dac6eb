"""Wire: what a protobuf message will take in memory, counted on its bytes before one object is made of it."""

from typing import Any

from models.errors import RequestError, RequestTooLargeError

_BYTES_OF_FIELD = 64  # an empty photo has 2 bytes on the wire; upb takes 16 for it, and Python's list and bytes 41
_BYTES_OF_NUMBER = 8
_PIXELS, _LONGEST_PIXEL = "uint_contents", 2  # the one list that is long, and the bytes of 255 on the wire
_SPARE_BYTES = 64 * 1024  # of other numbers: shapes, and what no call takes; a shape of 20 million took a second
_VARINT, _FIXED64, _PREFIXED, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}


def parsed_bytes(data: bytes, descriptor: Any, max_fields: int, max_pixels: int) -> int:  # noqa: ANN401 - protobuf's
    """Walks over a message.

    Args:
        data: the message as it came.
        descriptor: of its type.
        max_fields: those that are allowed, of it and of all messages within it.
        max_pixels: numbers of pixels that are.

    Returns:
        The bytes that parsing it takes, at most.

    Raises:
        RequestTooLargeError: it has more fields or numbers.
        RequestError: it is cut off, or no message of this type.
    """
    fields, pixels, numbers = 0, 0, 0
    within = [(0, len(data), descriptor)]
    while within:
        position, end, kind = within.pop()
        while position < end:
            tag, position = _varint(data, position, end)
            fields += 1
            if fields > max_fields:
                raise RequestTooLargeError(f"the message has more than the {max_fields} fields that are allowed")
            start, position = _payload(data, position, end, tag & 7)
            field = kind.fields_by_number.get(tag >> 3)
            if tag & 7 == _PREFIXED and field is not None:
                if field.message_type is not None:
                    within.append((start, position, field.message_type))
                elif field.name == _PIXELS:
                    pixels += position - start
                elif field.type not in (field.TYPE_BYTES, field.TYPE_STRING):
                    numbers += position - start
                if pixels > _LONGEST_PIXEL * max_pixels + _SPARE_BYTES or numbers > _SPARE_BYTES:
                    raise RequestTooLargeError("the message has more numbers than any call takes")
    return len(data) + fields * _BYTES_OF_FIELD + (pixels + numbers) * _BYTES_OF_NUMBER


def _payload(data: bytes, position: int, end: int, wire_type: int) -> tuple[int, int]:
    """Where a field's value begins and ends."""
    if wire_type == _VARINT:
        return position, _varint(data, position, end)[1]
    if wire_type == _PREFIXED:
        size, position = _varint(data, position, end)
    elif (fixed := _FIXED.get(wire_type)) is not None:
        size = fixed
    else:
        raise _malformed()
    if position + size > end:
        raise _malformed()
    return position, position + size


def _varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= end:
            break
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
    raise _malformed()


def _malformed() -> RequestError:
    return RequestError("the message is cut off, or none of this call")
