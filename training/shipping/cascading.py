"""Two published orientation models → one file that asks the large one, and all four turns, where needed."""

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from models.errors import TrainingError
from models.images import decode
from models.metadata import GoldenSample, ModelMetadata
from models.onnx_file import graph_sha256
from models.repository import read_metadata
from training.graph.cascade import cascade
from training.graph.inference import OnnxClassifier
from training.graph.quarters import averages_over_turns
from training.graph.stages import STAGES, answering_by, telling_stages
from training.measuring.evaluation import Answers, ask, measure
from training.measuring.speed import seconds_per_image
from training.photos.manifest import Manifest
from training.photos.tasks import ORIENTATION, turn_image
from training.shipping.calibration import with_certainty
from training.shipping.golden import golden_pictures
from training.shipping.product import fit_weight, product
from training.shipping.stamp import stamp
from training.shipping.temperature import UNSCALED, fit_scaling, scaled, with_scaling
from training.shipping.thresholds import LAST, best_thresholds, ends_of
from training.shipping.versions import git_revision

_BLURS = (0.0, 0.8, 1.6, 3.0)  # pixels, of golden pictures: some of them must be hard


@dataclass(frozen=True)
class Parts:
    """The stages of a cascade as files, each with its scaling, and where the next one is asked.

    Attributes:
        small: the small network.
        large: the large network, scaled for one run, of which the answer is taken together with the small one's.
        turns: the large network, scaled for the average over four turns.
        thresholds: under which the second and the third stage are asked.
        weight: of the small network's answer beside the large one's.
        side: of the picture, in pixels.
    """

    small: bytes
    large: bytes
    turns: bytes
    thresholds: tuple[float, float]
    weight: float
    side: int

    def composed(self) -> bytes:
        """One file."""
        return cascade(self.small, self.large, self.turns, self.thresholds, self.side, weight=self.weight)

    def stage(self, number: int) -> bytes:
        """One file that always answers by one stage: 0, 1 or 2."""
        return answering_by(self.composed(), number)


def cascaded(small: bytes, large: bytes, photos: Manifest) -> bytes:
    """Composes, calibrates and measures a cascade.

    Args:
        small: a stamped orientation model, of any input size.
        large: a stamped orientation model of the size that the cascade takes, and of the name that it gets.
        photos: ``calibration`` tells scalings and thresholds, ``test`` what the cascade is worth.

    Returns:
        The stamped file, with golden samples that end in each stage, metrics, and each stage's share and cost.

    Raises:
        TrainingError: a model is not of the orientation task, or a split is empty.
    """
    for data in (small, large):
        if read_metadata(data).label_names != ORIENTATION.label_names:
            raise TrainingError(f"a cascade asks about four turns, and {read_metadata(data).name} tells no orientation")
    for split in ("calibration", "test"):
        if not photos.split(split).photos:
            raise TrainingError(f"the {split} split is empty; it is needed to calibrate and measure the cascade")
    metadata = read_metadata(large)
    parts, answers = calibrated_parts(small, large, photos.split("calibration"))
    data = parts.composed()
    described = metadata.model_copy(
        update={
            "graph_sha256": graph_sha256(data),
            "golden_samples": _golden_samples(parts, data, metadata),
            "against_fp32": None,
            "git_revision": git_revision(),
            "created": datetime.now(UTC).date().isoformat(),
        }
    )
    described = with_certainty(described, answers, ORIENTATION.allowed_error, together=True)
    test = photos.split("test")
    measured, ends = _asked(data, described, test)
    facts = {
        "made of": f"{_called(read_metadata(small))}, then {_called(metadata)}, then its four turns",
        "asked again under": f"{parts.thresholds[0]:.4f}, then {parts.thresholds[1]:.4f}",
        "taken together": f"the large one's answer with the small one's to the power of {parts.weight:.2f}",
    }
    facts |= _prices(parts, large, ends, measured.sources)
    metrics = measure(measured, described, test.digest(ORIENTATION.label_names))
    training = described.training | facts
    return stamp(data, described.model_copy(update={"metrics": metrics, "training": training}))


def _called(metadata: ModelMetadata) -> str:
    return f"{metadata.name}/{metadata.version}"


def _asked(data: bytes, metadata: ModelMetadata, photos: Manifest) -> tuple[Answers, NDArray[np.int64]]:
    """What a cascade answers, and the stage that gives each answer."""
    told = ask(telling_stages(data), metadata.preprocessing, photos, ORIENTATION)
    return replace(told, probabilities=told.probabilities[:, :-1]), told.probabilities[:, -1].astype(np.int64)


def calibrated_parts(small: bytes, large: bytes, photos: Manifest) -> tuple[Parts, Answers]:
    """Fits the small network's weight, each stage's scaling, and where the next stage is asked.

    Args:
        small: a stamped orientation model.
        large: the same, of the size that the cascade takes.
        photos: to calibrate on.

    Returns:
        The parts, and what they answer together about the photos.
    """
    given, weight = _given(small, large, photos)
    scalings = [fit_scaling(raw) for raw in given]
    for stage in range(1, len(STAGES)):
        stages = [scaled(raw.probabilities, scaling) for raw, scaling in zip(given, scalings, strict=True)]
        thresholds = best_thresholds(stages, given[0].labels)
        ends = ends_of(stages, thresholds)
        if (ends >= stage).any():  # hard pictures alone get there, of which a network is too sure
            scalings[stage] = fit_scaling(_some(given[stage], ends >= stage))
    stages[LAST] = scaled(given[LAST].probabilities, scalings[LAST])
    answers = np.stack(stages)[ends, np.arange(len(ends))]
    files = [
        with_scaling(data, scaling, _noise(data)) for data, scaling in zip((small, large, large), scalings, strict=True)
    ]
    side = read_metadata(large).preprocessing.height
    return Parts(files[0], files[1], files[2], thresholds, weight, side), replace(given[0], probabilities=answers)


def _given(small: bytes, large: bytes, photos: Manifest) -> tuple[list[Answers], float]:
    """Each stage's answers about all photos, not scaled, and the weight that the small network has in the second."""
    preprocessing = read_metadata(large).preprocessing
    bare = [with_scaling(data, UNSCALED, _noise(data)) for data in (small, large)]
    unscaled = Parts(bare[0], bare[1], bare[1], (0.0, 0.0), 0.0, preprocessing.height)
    first, alone = (ask(data, preprocessing, photos, ORIENTATION) for data in (unscaled.stage(0), bare[1]))
    told = scaled(first.probabilities, fit_scaling(first))
    weight = fit_weight(alone, told)
    averaged = averages_over_turns(alone.probabilities)[len(ORIENTATION.labels)]
    each = (product(alone.probabilities, told, weight), averaged / averaged.sum(axis=1, keepdims=True))
    return [first, *(replace(alone, probabilities=answers) for answers in each)], weight


def _some(answers: Answers, chosen: NDArray[np.bool_]) -> Answers:
    places = np.flatnonzero(chosen)
    return Answers(
        answers.probabilities[places],
        answers.labels[places],
        tuple(answers.sources[place] for place in places),
        tuple(answers.groups[place] for place in places),
    )


def _noise(data: bytes) -> NDArray[np.uint8]:
    """Pictures of a model's size, to check its scaling on."""
    shape = read_metadata(data).preprocessing.shape
    return np.random.default_rng(0).integers(0, 256, (8, *shape), dtype=np.uint8)


def _prices(parts: Parts, reference: bytes, ends: NDArray[np.int64], sources: Sequence[str]) -> dict[str, str]:
    """What the card says of the stages: how often each answers, and what that costs, by source too."""
    taken = seconds_per_image({str(stage): parts.stage(stage) for stage in range(len(STAGES))} | {"": reference})
    costs = np.array([taken[str(stage)] / taken[""] for stage in range(len(STAGES))])
    names, each = np.array(sources), costs[ends]
    shares = (f"{name} {np.mean(ends == stage):.1%}" for stage, name in enumerate(STAGES))
    return {
        "answered by": ", ".join(shares) + ", of the test images",
        "time": f"mean {each.mean():.2f}, best {costs[0]:.2f}, worst {costs[-1]:.2f} times one run of the large one",
        "mean time by source": ", ".join(f"{name} {each[names == name].mean():.2f}" for name in np.unique(names)),
    }


def shares_told(metadata: ModelMetadata) -> tuple[float, ...]:
    """The share of the test images that each stage answers, as the file of a cascade tells it."""
    return tuple(float(share) / 100 for share in re.findall(r"([\d.]+)%", metadata.training.get("answered by", "")))


def _golden_samples(parts: Parts, data: bytes, metadata: ModelMetadata) -> tuple[GoldenSample, ...]:
    """One picture that each stage answers, as far as the golden pictures and their changed copies have one."""
    stages = [OnnxClassifier(parts.stage(stage)) for stage in (0, 1)]
    whole = OnnxClassifier(data)
    found: dict[int, GoldenSample] = {}
    for png in _changed_pictures():
        pixels = metadata.preprocessing.apply(decode(png, metadata.preprocessing.size))[None]
        sure = [
            float(stage.predict(pixels).max()) >= threshold
            for stage, threshold in zip(stages, parts.thresholds, strict=True)
        ]
        ends = sure.index(True) if any(sure) else len(STAGES) - 1
        answer = tuple(float(share) for share in whole.predict(pixels)[0])
        found.setdefault(ends, GoldenSample(png=b64encode(png).decode(), probabilities=answer))
        if len(found) == len(STAGES):
            break
    return tuple(found[stage] for stage in sorted(found))


def _changed_pictures() -> Iterator[bytes]:
    for blur in _BLURS:
        for png in golden_pictures():
            for turns in range(len(ORIENTATION.labels)):
                image = turn_image(Image.open(BytesIO(png)).convert("RGB"), turns)
                buffer = BytesIO()
                image.filter(ImageFilter.GaussianBlur(blur)).save(buffer, "PNG", optimize=True)
                yield buffer.getvalue()
