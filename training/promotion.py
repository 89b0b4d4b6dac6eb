"""Whether a candidate may stand in the repository, and under which number."""

from pathlib import Path

from models.errors import ModelNotFoundError, PromotionError
from models.repository import ModelRepository, read_metadata
from training.card import render_card
from training.stamp import restamp


def publish(
    data: bytes, repository: ModelRepository, version: int | None = None, *, require_metrics: bool = True
) -> Path:
    """Publishes a measured model under its name.

    Args:
        data: the stamped ONNX file.
        repository: where to.
        version: by default the next one.
        require_metrics: refuses a model that was never measured; imported ones cannot have been.

    Returns:
        The path of the published file.

    Raises:
        PromotionError: the model was never measured.
        VersionExistsError: the version is taken.
    """
    metadata = read_metadata(data)
    if require_metrics and metadata.metrics is None:
        raise PromotionError(f"{metadata.name} was never measured; run `loupe-train evaluate` first")
    numbered = restamp(data, version=version or _next_version(repository, metadata.name))
    return repository.publish(numbered, render_card(read_metadata(numbered)))


def _next_version(repository: ModelRepository, name: str) -> int:
    try:
        return repository.latest(name) + 1
    except ModelNotFoundError:
        return 1
