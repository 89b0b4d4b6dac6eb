"""Protobuf messages ↔ the calls and answers that HTTP and gRPC share."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from models.counted import counted
from models.errors import RequestError, RequestTooLargeError
from serving.grpc.protobuf import open_inference_pb2 as pb
from serving.open_inference.framing import to_binary
from serving.open_inference.messages import (
    InferRequest,
    InferResponse,
    InputTensor,
    ModelMetadataResponse,
    RequestedOutput,
    TensorMetadata,
    malformed,
)

_PIECE = 64 * 1024


def read_request(message: pb.ModelInferRequest, max_images: int, max_values: int) -> InferRequest:
    """Reads an infer call; call it in a thread where it is large (``off_loop``).

    Args:
        message: the call.
        max_images: encoded photos that are allowed.
        max_values: the most numbers that the largest allowed tensor has.

    Raises:
        RequestError: its tensors are malformed.
        RequestTooLargeError: it has more photos or numbers.
    """
    raw, inputs = message.raw_input_contents, message.inputs
    if raw and len(raw) != len(inputs):
        raise RequestError(
            f"there are {len(raw)} raw_input_contents for {counted(len(inputs), 'input')}; one for each is needed"
        )
    outputs = [RequestedOutput(name=one.name, parameters=_parameters(one.parameters)) for one in message.outputs]
    try:
        return InferRequest(
            id=message.id or None,
            parameters=_parameters(message.parameters),
            inputs=[
                _input(tensor, raw[index] if raw else None, max_images, max_values)
                for index, tensor in enumerate(inputs)
            ],
            outputs=outputs or None,
        )
    except ValidationError as error:
        raise malformed(error, "message") from None


def write_response(response: InferResponse, raw: bool) -> pb.ModelInferResponse:
    """Writes the answer, with its tensors raw as in the call, or typed."""
    message = pb.ModelInferResponse(
        model_name=response.model_name, model_version=response.model_version, id=response.id or ""
    )
    for output in response.outputs:
        tensor = message.outputs.add(name=output.name, datatype=output.datatype, shape=output.shape)
        if raw:
            message.raw_output_contents.append(to_binary(output))
        elif output.datatype == "FP32":
            tensor.contents.fp32_contents.extend(float(value) for value in output.data)
        else:
            tensor.contents.bytes_contents.extend(str(value).encode() for value in output.data)
    return message


def write_metadata(metadata: ModelMetadataResponse) -> pb.ModelMetadataResponse:
    """Writes what a model takes and gives."""
    return pb.ModelMetadataResponse(
        name=metadata.name,
        versions=metadata.versions,
        platform=metadata.platform,
        inputs=map(_tensor, metadata.inputs),
        outputs=map(_tensor, metadata.outputs),
    )


def _input(
    tensor: pb.ModelInferRequest.InferInputTensor, raw: bytes | None, max_images: int, max_values: int
) -> InputTensor:
    if "shared_memory_region" in tensor.parameters:
        data = None
    else:
        data = _typed(tensor, max_images, max_values) if raw is None else raw
    return InputTensor(name=tensor.name, datatype=tensor.datatype, shape=list(tensor.shape), data=data)


def _typed(
    tensor: pb.ModelInferRequest.InferInputTensor, max_images: int, max_values: int
) -> bytes | list[bytes] | None:
    contents = tensor.contents
    if tensor.datatype == "BYTES":
        _refuse_more(len(contents.bytes_contents), max_images, "images")
        return list(contents.bytes_contents)
    if tensor.datatype == "UINT8":
        _refuse_more(len(contents.uint_contents), max_values, "values")
        return _numbers(contents.uint_contents)
    return None


def _refuse_more(count: int, allowed: int, what: str) -> None:
    if count > allowed:
        raise RequestTooLargeError(f"the request has {count} {what}; at most {allowed} are allowed")


def _numbers(values: Sequence[int]) -> bytes:
    """In pieces, so that others get the interpreter in between."""
    try:
        return b"".join(bytes(values[start : start + _PIECE]) for start in range(0, len(values), _PIECE))
    except ValueError:
        raise RequestError("the UINT8 tensor's data are not whole numbers from 0 to 255") from None


def _parameters(parameters: Mapping[str, pb.InferParameter]) -> dict[str, Any]:
    chosen = {name: (value, value.WhichOneof("parameter_choice")) for name, value in parameters.items()}
    return {name: getattr(value, choice) for name, (value, choice) in chosen.items() if choice}


def _tensor(tensor: TensorMetadata) -> pb.ModelMetadataResponse.TensorMetadata:
    return pb.ModelMetadataResponse.TensorMetadata(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
