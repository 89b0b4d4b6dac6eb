"""A published classifier, its last layer learned anew on more photos: a minute instead of hours.

What the network sees stays as it is; what it makes of it is learned from the old photos and the new ones. Each source
of the new ones (an album, say) is also answered by a last layer that never saw it. On these answers, which are what
strangers may expect, the scaling, the threshold of the decision and that of certainty are chosen.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from models.errors import TrainingError
from models.metadata import ModelMetadata
from models.onnx_file import graph_sha256
from models.repository import read_metadata
from training.graph.last_layer import up_to_last_layer, with_last_layer
from training.measuring.evaluation import Answers, ask, check_labels, measure, probabilities_of
from training.photos.dataset import Photos, sampling_weights
from training.photos.folds import dealt
from training.photos.manifest import SPLITS, Manifest, Photo
from training.photos.tasks import Task, task_of
from training.shipping.golden import golden_samples
from training.shipping.stamp import sources_of, stamp
from training.shipping.strangers import Strangers, for_strangers, without_promises
from training.shipping.temperature import UNSCALED, fit_scaling, scaled, with_scaling
from training.shipping.versions import git_revision

_STRENGTH = 1e-3  # of the data against the prior, as scikit-learn's C; features are standardised
_STEPS = 100
Floats = NDArray[np.float32]


class _Layer(NamedTuple):
    """``features @ kernel + bias`` are the logits of the labels."""

    kernel: Floats
    bias: Floats


@dataclass(frozen=True)
class Refitted:
    """A model with a new last layer.

    Attributes:
        data: the stamped file.
        metadata: its own, measured.
        strangers: scaled answers about the new photos, each of a last layer to which the photo's source was strange.
    """

    data: bytes
    metadata: ModelMetadata
    strangers: Answers


def refitted(data: bytes, photos: Manifest, fresh: frozenset[str], folds: int, limits: str | None = None) -> Refitted:
    """Learns the last layer anew, calibrates and measures.

    Args:
        data: a stamped model of two labels made from folders.
        photos: ``train``, ``calibration`` and ``test``; the last is as it was when the model was measured.
        fresh: the names of the new sources, of which every photo is learned from.
        folds: to which the new sources are dealt.
        limits: replaces the model's.

    Raises:
        TrainingError: the model is of another kind or has not the photos' labels, or a split is empty.
    """
    metadata = read_metadata(data)
    task = task_of(metadata.labels)
    if len(task.labels) != 2 or task.made_by != "folder":
        raise TrainingError(f"{metadata.name} does not tell two labels of photos apart; others cannot be refitted yet")
    check_labels(photos, task)
    asked = photos.split("train", "validation", "calibration")
    seen = _features(data, asked, metadata)
    layer, strangers = _learned(seen, asked.photos, fresh, folds, task)
    raw = with_last_layer(with_scaling(data, UNSCALED, _noise(metadata)), *layer)
    known = _known(seen, asked.photos, layer, fresh, task)
    scaling = fit_scaling(strangers.answers)
    file = with_scaling(raw, scaling, _noise(metadata))
    described = for_strangers(_described(metadata, photos), strangers, known, task)
    described = described.model_copy(update=_facts(file, metadata, described, photos, limits))
    test = photos.split("test")
    metrics = measure(ask(file, described.preprocessing, test, task), described, test.digest(task.label_names))
    described = described.model_copy(update={"metrics": metrics})
    said = replace(strangers.answers, probabilities=scaled(strangers.answers.probabilities, scaling))
    return Refitted(stamp(file, described), described, said)


def _described(before: ModelMetadata, photos: Manifest) -> ModelMetadata:
    """Made of what, and of which photos; what was said of the thresholds that it had is left out."""
    facts = {
        "made of": f"{before.name}/{before.version}, its last layer learned anew",
        "photos": ", ".join(f"{len(photos.split(name).photos)} {name}" for name in SPLITS),
    }
    kept = {fact: text for fact, text in without_promises(before.training).items() if fact != "calibrated"}
    return before.model_copy(update={"training": kept | facts})


def _features(data: bytes, photos: Manifest, metadata: ModelMetadata) -> Floats:
    size = metadata.preprocessing.size

    def pixels(photo: Photo) -> NDArray[np.uint8]:
        return metadata.preprocessing.apply(photos.decode(photo, size))[None]

    return probabilities_of(up_to_last_layer(data), photos.photos, pixels).reshape(len(photos.photos), -1)


def _learned(
    seen: Floats, photos: Sequence[Photo], fresh: frozenset[str], folds: int, task: Task
) -> tuple[_Layer, Strangers]:
    """The last layer from all that may be learned from, and what others say of the sources that they were not shown.

    Nor were these shown other sources' near-duplicates of them.
    """
    sources, groups = (np.array([getattr(photo, name) for photo in photos]) for name in ("source", "group"))
    labels = _labels(photos, task)
    new = np.isin(sources, sorted(fresh))
    usable = new | np.array([photo.split == "train" for photo in photos])
    answers, fold = np.zeros((len(photos), len(task.labels)), np.float32), np.zeros(len(photos), np.int64)
    hands = dealt([photo for photo, is_new in zip(photos, new, strict=True) if is_new], folds)
    for number, held_back in enumerate(hands, 1):
        theirs = np.isin(sources, held_back)
        layer = _fit(seen, labels, sources, usable & ~np.isin(groups, groups[theirs]))
        answers[theirs], fold[theirs] = _answers(seen[theirs], layer), number
    chosen = tuple(sources[new].tolist())
    return _fit(seen, labels, sources, usable), Strangers(Answers(answers[new], labels[new], chosen, chosen), fold[new])


def _fit(seen: Floats, labels: NDArray[np.int64], sources: NDArray[np.str_], chosen: NDArray[np.bool_]) -> _Layer:
    """Labels count evenly, and within one its sources by the square root of their size."""
    learned = Photos(np.zeros((int(chosen.sum()), 0), np.uint8), labels[chosen], tuple(sources[chosen].tolist()))
    weights = sampling_weights(learned) * chosen.sum()
    mean, spread = seen[chosen].mean(axis=0), seen[chosen].std(axis=0) + 1e-3
    model = LogisticRegression(C=_STRENGTH, max_iter=_STEPS, tol=1e-3)
    model.fit((seen[chosen] - mean) / spread, labels[chosen], sample_weight=weights)
    slope = model.coef_[0] / spread
    start = float(model.intercept_[0] - mean @ slope)
    return _Layer(
        np.stack([-slope / 2, slope / 2], axis=1).astype(np.float32), np.array([-start / 2, start / 2], np.float32)
    )


def _answers(seen: Floats, layer: _Layer) -> Floats:
    shares: Floats = softmax(seen @ layer.kernel + layer.bias, axis=1).astype(np.float32)
    return shares


def _known(seen: Floats, photos: Sequence[Photo], layer: _Layer, fresh: frozenset[str], task: Task) -> Answers:
    """What the new last layer says of the old photos that calibrate."""
    places = [i for i, photo in enumerate(photos) if photo.split == "calibration" and photo.source not in fresh]
    if not places:
        raise TrainingError("the calibration split is empty; it is needed to choose the thresholds")
    mine = [photos[place] for place in places]
    return Answers(
        _answers(seen[places], layer),
        _labels(mine, task),
        tuple(photo.source for photo in mine),
        tuple(photo.group for photo in mine),
    )


def _labels(photos: Sequence[Photo], task: Task) -> NDArray[np.int64]:
    return np.array([task.label_names.index(photo.label) for photo in photos], np.int64)


def _noise(metadata: ModelMetadata) -> NDArray[np.uint8]:
    """Pictures to check the scaling on."""
    return np.random.default_rng(0).integers(0, 256, (8, *metadata.preprocessing.shape), dtype=np.uint8)


def _facts(
    file: bytes, before: ModelMetadata, after: ModelMetadata, photos: Manifest, limits: str | None
) -> dict[str, object]:
    """What else changes in the metadata, but for the metrics."""
    return {
        "graph_sha256": graph_sha256(file),
        "golden_samples": golden_samples(file, after.preprocessing),
        "limits": before.limits if limits is None else limits,
        "sources": sources_of(photos),
        "against_fp32": None,
        "git_revision": git_revision(),
        "created": datetime.now(UTC).date().isoformat(),
    }
