"""A classifier trained elsewhere → one of ours: uint8 in, normalisation and softmax inside the graph, stamped."""

from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from pydantic import ValidationError

from models.errors import ExportError
from models.images import decode
from models.metadata import Label, ModelMetadata
from models.onnx_file import graph_sha256
from models.preprocessing import Preprocessing
from models.wrong_value import wrong_value
from training.graph.parity import check_parity
from training.shipping.card import IMPORTED
from training.shipping.foreign_graph import ForeignGraph
from training.shipping.golden import golden_pictures, golden_samples
from training.shipping.stamp import stamp
from training.shipping.versions import git_revision
from training.shipping.wrapping import Normalisation, wrapped


@dataclass(frozen=True)
class ForeignModel:
    """What an ONNX file need not say of itself.

    Attributes:
        name: of the model.
        description: one sentence for people.
        labels: in the order of the output's columns.
        normalisation: what becomes of pixels before the graph sees them.
        output: what the graph gives; ``auto`` asks it about four photographs.
        origin: the file's name.
    """

    name: str
    description: str
    labels: tuple[str, ...]
    normalisation: Normalisation
    output: Literal["auto", "logits", "probabilities"] = "auto"
    origin: str = ""


def import_onnx(given: ForeignGraph, preprocessing: Preprocessing, foreign: ForeignModel) -> bytes:
    """Wraps a float32 classifier.

    Args:
        given: one input ``float32[N,C,H,W]``, ``[N,H,W,C]`` or ``[N,H*W*C]``, one output ``float32[N,K]`` or ``[N,1]``.
            Where the batch size is fixed, it is freed; a free height and width become the preprocessing's.
        preprocessing: how pictures meet the input.
        foreign: what the file need not say of itself.

    Returns:
        A stamped file of ours, whose answers were checked against the given file's. It is certain of nothing.

    Raises:
        ExportError: the file is no such classifier, its batch size is fixed inside, or labels do not fit its output.
    """
    _check_shape(given, preprocessing, foreign.normalisation.layout)
    pictures = _pictures(preprocessing)
    pixels = foreign.normalisation.apply(pictures)
    free = given.freed(pixels)
    raw = free.run(pixels)
    probabilities = foreign.output == "probabilities" or (foreign.output == "auto" and _are_probabilities(raw))
    columns = max(2, raw.shape[1])
    if columns != len(foreign.labels):
        raise ExportError(f"{foreign.origin} answers {columns} labels, {len(foreign.labels)} were named")
    model = wrapped(free, preprocessing.shape, foreign.normalisation, raw.shape[1], probabilities)
    data = model.SerializeToString()
    check_parity(_expected(raw, probabilities), data, pictures)
    try:
        return stamp(data, _metadata(data, given.proto, preprocessing, foreign))
    except ValidationError as error:
        raise ExportError(f"what was said of the model is wrong {wrong_value(error)}") from None


def _metadata(
    data: bytes, given: onnx.ModelProto, preprocessing: Preprocessing, foreign: ForeignModel
) -> ModelMetadata:
    return ModelMetadata(
        name=foreign.name,
        version=1,
        description=foreign.description,
        default=False,
        labels=tuple(Label(name=label) for label in foreign.labels),
        preprocessing=preprocessing,
        graph_sha256=graph_sha256(data),
        golden_samples=golden_samples(data, preprocessing),
        training={
            IMPORTED: foreign.origin,
            "graph made by": f"{given.producer_name} {given.producer_version}".strip(),
            "normalised": str(foreign.normalisation),
        },
        tools={"onnx": onnx.__version__},
        git_revision=git_revision(),
        licence="as the imported file's",
    )


def _check_shape(given: ForeignGraph, preprocessing: Preprocessing, layout: str) -> None:
    height, width, channels = preprocessing.shape
    wanted = [channels, height, width] if layout == "nchw" else [height, width, channels]
    if given.is_flat:
        wanted = [prod(wanted)]
    if any(size and size != want for size, want in zip(given.shape[1:], wanted, strict=True)):
        told = ["any" if size is None else size for size in given.shape[1:]]
        raise ExportError(f"the input is {told}, but --size and --layout {layout} mean {wanted}")


def _pictures(preprocessing: Preprocessing) -> NDArray[np.uint8]:
    upright = np.stack([preprocessing.apply(decode(picture, preprocessing.size)) for picture in golden_pictures()])
    return np.concatenate([upright, upright[:, ::-1]])  # more than seven, the larger batch that parity is checked at


def _are_probabilities(raw: NDArray[np.float32]) -> bool:
    in_range = bool(((raw >= 0) & (raw <= 1)).all())
    return in_range and (raw.shape[1] == 1 or bool(np.allclose(raw.sum(axis=1), 1, atol=1e-3)))


def _expected(raw: NDArray[np.float32], probabilities: bool) -> NDArray[np.float32]:
    """The probabilities that the wrapped graph must answer, computed outside of any graph."""
    logits = raw.astype(np.float64)
    if raw.shape[1] == 1:
        second = logits if probabilities else 1 / (1 + np.exp(-logits))
        return np.concatenate([1 - second, second], axis=1).astype(np.float32)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: NDArray[np.float32] = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return raw if probabilities else shares
