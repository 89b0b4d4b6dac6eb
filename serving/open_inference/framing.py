"""HTTP bodies: one JSON document, with the binary tensor extension followed by the tensors' bytes.

Source: https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

import json

import numpy as np
from pydantic import ValidationError

from models.counted import counted
from models.errors import RequestError
from serving.open_inference.messages import (
    INPUT,
    InferRequest,
    InferResponse,
    InputTensor,
    OutputTensor,
    malformed,
    parameter,
)
from serving.open_inference.number_lists import Cut
from serving.open_inference.tensors import write_bytes
from serving.parsing.bounded_json import read_json

_STARTS = (b"{", b"[")
HEADER = "Inference-Header-Content-Length"


def read_request(body: bytes, header_length: str | None, max_values: int) -> InferRequest:
    """Reads the body of an infer call; call it in a thread where it is large (``off_loop``).

    Args:
        body: the whole body, decompressed.
        header_length: value of the header ``Inference-Header-Content-Length``: bytes of the JSON; what follows are the
            binary tensors. None: all is JSON. ``0``: all is one encoded photo.
        max_values: the most numbers that the largest allowed tensor has.

    Raises:
        RequestError: body or header are malformed.
        RequestTooLargeError: more values than any allowed call has.
    """
    length = _header_length(body, header_length)
    if length == 0 and header_length is not None:
        photo = InputTensor(name=INPUT, datatype="BYTES", shape=[1], data=[body] if body else [])
        return InferRequest(inputs=[photo])
    request = _parse(body[:length], max_values)
    _attach(request, memoryview(body)[length:])
    return request


def wants_binary(request: InferRequest) -> bool:
    """Whether the caller wants the output as bytes behind the JSON.

    Raises:
        RequestError: a parameter that tells is not a boolean.
    """
    default = parameter(request.parameters, "binary_data_output", False)
    return parameter(request.outputs[0].parameters, "binary_data", default) if request.outputs else default


def write_response(response: InferResponse, binary: bool) -> tuple[bytes, int | None]:
    """Writes the answer.

    Returns:
        The body, and how many bytes of it are JSON if binary tensors follow; else None.
    """
    if not binary:
        return response.model_dump_json().encode(), None
    tensors = [to_binary(output) for output in response.outputs]
    document = response.model_dump(exclude={"outputs": {"__all__": {"data"}}})
    for output, tensor in zip(document["outputs"], tensors, strict=True):
        output["parameters"] = {"binary_data_size": len(tensor)}
    header = json.dumps(document).encode()
    return b"".join([header, *tensors]), len(header)


def to_binary(output: OutputTensor) -> bytes:
    """The tensor's elements, little endian."""
    if output.datatype == "FP32":
        return np.array(output.data, "<f4").tobytes()
    return write_bytes(str(value).encode() for value in output.data)


def _header_length(body: bytes, given: str | None) -> int:
    if given is None:
        return len(body)
    if not (given.isascii() and given.isdecimal() and len(given) < 20 and int(given) <= len(body)):
        raise RequestError(f"{HEADER} is {given[:100]!r}; allowed are whole numbers up to the body's {len(body)} bytes")
    return int(given)


def _parse(document: bytes, max_values: int) -> InferRequest:
    if document.lstrip()[:1] not in _STARTS:
        raise RequestError(f"the body is no JSON object; with `{HEADER}: 0` it may be an encoded photo")
    cut = Cut(document, max_values)
    parsed = read_json(cut.document)
    if not isinstance(parsed, dict):
        raise RequestError("the body is a list; wanted is an object with `inputs`")
    _put_back(parsed.get("inputs"), cut)
    try:
        return InferRequest.model_validate(parsed)
    except ValidationError as error:
        raise malformed(error, "JSON body") from None


def _put_back(inputs: object, cut: Cut) -> None:
    """Of tensors that are no pixels, an example of the numbers, which then are refused."""
    for tensor in inputs if isinstance(inputs, list) else ():
        if isinstance(tensor, dict) and (numbers := cut.numbers(tensor.get("data"))) is not None:
            tensor["data"] = numbers if tensor.get("datatype") == "UINT8" else [0]


def _attach(request: InferRequest, rest: memoryview) -> None:
    """Gives each binary input its share of the bytes behind the JSON, in order."""
    position = 0
    for tensor in request.inputs:
        if "binary_data_size" in tensor.parameters:
            size = parameter(tensor.parameters, "binary_data_size", 0)
            if tensor.data is not None or not 0 <= size <= len(rest) - position:
                raise RequestError(
                    f"an input has binary_data_size {size} with {counted(len(rest) - position, 'byte')} left; "
                    "it must fit, and come without `data`"
                )
            tensor.data = bytes(rest[position : position + size])
            position += size
    if position != len(rest):
        raise RequestError(f"{counted(len(rest) - position, 'byte')} behind the JSON, of no input")
