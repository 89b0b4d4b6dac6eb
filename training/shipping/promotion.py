"""Whether a candidate may stand in the repository, and under which number."""

from pathlib import Path

import numpy as np

from models.errors import ModelNotFoundError, PromotionError, TrainingError
from models.images import decode
from models.metadata import ModelMetadata
from models.repository import ModelRepository, read_metadata
from training.graph.inference import OnnxClassifier
from training.measuring.comparison import compare
from training.photos.manifest import Manifest
from training.shipping.card import render_card
from training.shipping.reference import with_reference
from training.shipping.stamp import restamp

MADE_OF = "made of"
"""Names, in a model's ``training``, the published models that it was put together from: their precision was checked."""

MAX_BYTES = 16_000_000
MAX_ACCURACY_LOST = 0.003
MIN_AGREEMENT = 0.99


def publish(
    data: bytes,
    repository: ModelRepository,
    version: int | None = None,
    *,
    test: Manifest | None = None,
    force: str | None = None,
    require_metrics: bool = True,
) -> Path:
    """Publishes a measured model under its name.

    Args:
        data: the stamped ONNX file.
        repository: where to.
        version: by default the next one.
        test: the photos that the candidate was measured on; needed where a version stands already. What they look
            like to it is written into the file, so that a service can tell when its own look different.
        force: publishes whatever speaks against it; the reason for that, which is written into the model.
        require_metrics: refuses a model that was never measured; imported ones cannot have been.

    Returns:
        The path of the published file.

    Raises:
        PromotionError: it is too large, gives wrong answers to its golden samples, was never measured or on other
            photos than ``test``, loses too much by its precision, or is worse than the version that stands.
        VersionExistsError: the version is taken.
    """
    metadata = read_metadata(data)
    changes: dict[str, object] = {"version": version or _next_version(repository, metadata.name)}
    if force is None:
        _check(data, metadata, repository, test, require_metrics)
    elif not force.strip():
        raise PromotionError("to force a model in, give the reason: it is written into the model")
    else:
        changes["training"] = metadata.training | {"published in spite of the checks": force}
    numbered = restamp(data if test is None else with_reference(data, test), **changes)
    return repository.publish(numbered, render_card(read_metadata(numbered)))


def _check(
    data: bytes, metadata: ModelMetadata, repository: ModelRepository, test: Manifest | None, require_metrics: bool
) -> None:
    """The cheap questions first."""
    if require_metrics and len(data) > MAX_BYTES:  # an imported network is as large as it is
        raise PromotionError(f"the file has {len(data) / 1e6:.1f} MB; at most {MAX_BYTES / 1e6:g} are allowed")
    if require_metrics:
        _check_measured(metadata, test)
    if metadata.precision != "fp32" and MADE_OF not in metadata.training:
        _check_precision(metadata)
    _check_golden_samples(data, metadata)
    if require_metrics and metadata.name in repository.list():
        _check_no_worse(data, metadata, repository, test)


def _check_measured(metadata: ModelMetadata, test: Manifest | None) -> None:
    if metadata.metrics is None:
        raise PromotionError(f"{metadata.name} was never measured; run `loupe-train evaluate` first")
    if test is not None and test.digest(metadata.label_names) != metadata.metrics.data_sha256:
        raise PromotionError(f"{metadata.name} was measured on other photos than the {len(test.photos)} given")


def _check_precision(metadata: ModelMetadata) -> None:
    against = metadata.against_fp32
    if against is None:
        raise PromotionError(f"this {metadata.precision} model was never compared with its fp32 original")
    if against.accuracy_change < -MAX_ACCURACY_LOST:
        raise PromotionError(
            f"{metadata.precision} loses {-against.accuracy_change:.2%} accuracy; {MAX_ACCURACY_LOST:.1%} is allowed"
        )
    if against.agreement < MIN_AGREEMENT:
        raise PromotionError(
            f"{metadata.precision} agrees with fp32 on {against.agreement:.2%} of the labels; "
            f"at least {MIN_AGREEMENT:.0%} is wanted"
        )
    if against.time_ratio >= 1:
        raise PromotionError(
            f"{metadata.precision} takes {against.time_ratio:.2f} times as long as fp32 on {against.provider}"
        )


def _check_golden_samples(data: bytes, metadata: ModelMetadata) -> None:
    if not metadata.golden_samples:
        raise PromotionError(f"{metadata.name} has no golden samples")
    pictures = [decode(sample.image_bytes(), metadata.preprocessing.size) for sample in metadata.golden_samples]
    answers = OnnxClassifier(data).predict(np.stack([metadata.preprocessing.apply(picture) for picture in pictures]))
    expected = np.array([sample.probabilities for sample in metadata.golden_samples])
    difference = float(np.abs(answers - expected).max())
    tolerance = metadata.golden_tolerance.get("cpu", 1e-3)
    if not difference <= tolerance:  # so that NaN fails too
        raise PromotionError(f"the answers to golden samples are off by {difference:.2g}; {tolerance:g} is allowed")


def _check_no_worse(data: bytes, metadata: ModelMetadata, repository: ModelRepository, test: Manifest | None) -> None:
    current = repository.path(metadata.name)
    if test is None:
        raise PromotionError(f"{current} stands already; give the test photos, so that both can be asked about them")
    try:
        result = compare(current.read_bytes(), data, test)
    except TrainingError as error:
        raise PromotionError(f"cannot be compared with {current}: {error}") from None
    if result.interval[1] < 0:
        raise PromotionError(
            f"worse than {current}: {result.second:.2%} instead of {result.first:.2%} right on {result.samples} images "
            f"(difference {result.interval[0]:+.2%} to {result.interval[1]:+.2%})"
        )


def _next_version(repository: ModelRepository, name: str) -> int:
    try:
        return repository.latest(name) + 1
    except ModelNotFoundError:
        return 1
