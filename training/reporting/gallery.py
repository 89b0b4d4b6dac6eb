"""The worst errors as small pictures that stand inside a page."""

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.images import Size
from models.metadata import ModelMetadata
from models.occlusion import occlusion_map, overlay
from training.graph.inference import OnnxClassifier
from training.measuring.evaluation import Answers, judge

Pictures = Callable[[int, Size], Image.Image]
"""A sample's picture as it was asked about, decoded to at least a size."""

_SIDE = 240  # pixels; more than is shown, for dense screens
_THUMBNAIL = Size(_SIDE, _SIDE)


@dataclass(frozen=True)
class Mistake:
    """One wrong answer.

    Attributes:
        sample: its index among the answers.
        true: name of the true label.
        answered: name of the label that was answered.
        probability: of that label.
        certain: whether the answer passed for certain.
        source: data set of the photo.
        picture: a data URI of the picture as it was asked about, whole.
        evidence: a data URI of the occlusion map over the model's input; empty where none was made.
    """

    sample: int
    true: str
    answered: str
    probability: float
    certain: bool
    source: str
    picture: str
    evidence: str


def worst_errors(
    data: bytes, metadata: ModelMetadata, answers: Answers, pictures: Pictures, *, count: int = 24, explained: int = 6
) -> list[Mistake]:
    """The wrong answers that were given with the highest probability, at most one of each group.

    Args:
        data: the ONNX file.
        metadata: of the file.
        answers: of the file.
        pictures: gives those of the answers.
        count: of errors, at most.
        explained: so many of them get an occlusion map.
    """
    verdicts = judge(answers, metadata)
    names = metadata.label_names
    classifier = OnnxClassifier(data)
    mistakes = []
    for place, sample in enumerate(_worst(verdicts.probability, verdicts.right, answers.group_numbers)[:count]):
        answered = int(verdicts.answered[sample])
        seen = pictures(sample, metadata.preprocessing.size)
        mistakes.append(
            Mistake(
                sample=sample,
                true=names[answers.labels[sample]],
                answered=names[answered],
                probability=float(verdicts.probability[sample]),
                certain=bool(verdicts.certain[sample]),
                source=answers.sources[sample],
                picture=_data_uri(pictures(sample, _THUMBNAIL)),
                evidence=_evidence(classifier, metadata, seen, answered) if place < explained else "",
            )
        )
    return mistakes


def _worst(
    probability: NDArray[np.float64],
    right: NDArray[np.bool_],
    groups: NDArray[np.int64],
) -> list[int]:
    wrong = np.flatnonzero(~right)
    ordered = wrong[np.argsort(-probability[wrong], kind="stable")]
    firsts = np.unique(groups[ordered], return_index=True)[1]
    return [int(sample) for sample in ordered[np.sort(firsts)]]


def _evidence(classifier: OnnxClassifier, metadata: ModelMetadata, image: Image.Image, label: int) -> str:
    pixels = metadata.preprocessing.apply(image)
    seen = Image.fromarray(pixels.squeeze()).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
    return _data_uri(overlay(seen, occlusion_map(classifier.predict, pixels, label)))


def _data_uri(image: Image.Image) -> str:
    small = image.copy()
    small.thumbnail((_SIDE, _SIDE))
    buffer = BytesIO()
    small.convert("RGB").save(buffer, "WEBP", quality=75)
    return f"data:image/webp;base64,{b64encode(buffer.getvalue()).decode()}"
