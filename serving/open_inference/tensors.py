"""The input tensor → encoded photos or ready pixels; BYTES tensors in the layout of the binary extension.

Source: https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

from collections.abc import Iterable
from itertools import chain
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.counted import counted
from models.errors import RequestError, RequestTooLargeError
from serving.open_inference.messages import INPUT, InferRequest, InputTensor
from serving.parsing.base64_text import read_base64

_LENGTH_BYTES = 4  # each element of a binary BYTES tensor is led by its length, little endian


def read_image(request: InferRequest, shape: tuple[int, ...], max_images: int) -> list[bytes] | NDArray[np.uint8]:
    """Reads the one input that a model has; call it in a thread where it is large (``off_loop``).

    Args:
        request: the infer call.
        shape: of one image as the model takes it, (height, width, channels).
        max_images: images that are allowed; not one more is looked at.

    Returns:
        Encoded photos, if the tensor is BYTES; else ``uint8[n, *shape]``.

    Raises:
        RequestError: the tensor is not one of these two, or its elements do not fill its shape.
        RequestTooLargeError: it has more than ``max_images``.
    """
    if [tensor.name for tensor in request.inputs] != [INPUT]:
        given = ", ".join(repr(tensor.name[:100]) for tensor in request.inputs[:5]) or "none"
        raise RequestError(f"the inputs are {given}; exactly one is allowed, {INPUT!r}")
    [tensor] = request.inputs
    if tensor.data is None:
        raise RequestError(f"the input {INPUT} has no data; shared memory is not offered")
    if tensor.datatype == "BYTES" and _is_column(tensor.shape):
        return _read_photos(tensor, max_images)
    if tensor.datatype == "UINT8" and tuple(tensor.shape[1:]) == shape:
        return _read_pixels(tensor)
    allowed = f"UINT8 [n, {', '.join(map(str, shape))}] (pixels) and BYTES [n] or [n, 1] (encoded photos)"
    raise RequestError(f"the input {INPUT} is {tensor.datatype[:20]} {tensor.shape[:9]}; allowed are {allowed}")


def size_bytes(request: InferRequest) -> int:
    """Of what ``read_image`` has to work through."""
    elements = [one for tensor in request.inputs if isinstance(tensor.data, list) for one in _flat(tensor.data)]
    return sum(len(element) for element in elements if isinstance(element, str))


def write_bytes(values: Iterable[bytes]) -> bytes:
    """Elements of a BYTES tensor → its binary form."""
    return b"".join(len(value).to_bytes(_LENGTH_BYTES, "little") + value for value in values)


def _is_column(shape: list[int]) -> bool:
    return len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)


def _read_photos(tensor: InputTensor, max_images: int) -> list[bytes]:
    if isinstance(tensor.data, bytes):
        photos = _split(tensor.data, max_images)
    else:
        elements = _flat(tensor.data)
        _refuse_more(len(elements), max_images)
        photos = [_decoded(element, index) for index, element in enumerate(elements)]
    _refuse_other_count(len(photos), tensor)
    return photos


def _split(data: bytes, max_images: int) -> list[bytes]:
    values, position = list[bytes](), 0
    while position < len(data):
        _refuse_more(len(values) + 1, max_images)
        start = position + _LENGTH_BYTES
        position = start + int.from_bytes(data[position:start], "little")
        if start > len(data) or position > len(data):
            raise RequestError("the BYTES tensor ends in the middle of an element")
        values.append(data[start:position])
    return values


def _refuse_more(count: int, max_images: int) -> None:
    if count > max_images:
        raise RequestTooLargeError(f"the request has more than the {max_images} images that are allowed")


def _flat(data: list[Any]) -> list[Any]:
    while data and all(isinstance(row, list) for row in data):
        data = list(chain.from_iterable(data))
    return data


def _decoded(element: object, index: int) -> bytes:
    """JSON carries photos as base64, gRPC as they are."""
    if isinstance(element, bytes):
        return element
    if not isinstance(element, (str, memoryview)):
        raise RequestError("an element of the BYTES tensor is not a string; in JSON, photos are base64 strings")
    return read_base64(element, f"element {index} of the BYTES tensor")


def _read_pixels(tensor: InputTensor) -> NDArray[np.uint8]:
    try:
        # bytes() takes whole numbers from 0 to 255 and nothing else; NumPy would cut 0.5 to 0.
        data = tensor.data if isinstance(tensor.data, bytes) else bytes(_flat(tensor.data))
    except (TypeError, ValueError):
        raise RequestError("the UINT8 tensor's data are not whole numbers from 0 to 255") from None
    _refuse_other_count(len(data), tensor)
    return np.frombuffer(data, np.uint8).reshape(tensor.shape)


def _refuse_other_count(count: int, tensor: InputTensor) -> None:
    if count != prod(tensor.shape):
        wanted = counted(prod(tensor.shape), "element")
        raise RequestError(f"the shape {tensor.shape} calls for {wanted}; the data have {count:,}")
