"""Where a published model goes besides: MLflow's registry, or the cache of Hugging Face's programs."""

from pathlib import Path

from models.errors import TrainingError
from models.repository import CARD_NAME, read_metadata
from training.shipping import hugging_face, mlflow_registry


def check(address: str) -> None:
    """Tells a wrong address before anything is published.

    Raises:
        TrainingError: it is wrong.
    """
    if address.startswith(hugging_face.SCHEME):
        hugging_face.parsed(address)
    elif address.startswith(mlflow_registry.SCHEME):
        mlflow_registry.checked_for_writing(address)
    else:
        raise TrainingError(f"--to {address} is neither models:/name@alias nor hf://owner/name")


def send(published: Path, address: str) -> str:
    """Puts a repository's file there, with its card.

    Returns:
        Where it is now.

    Raises:
        TrainingError: it cannot be put there.
    """
    data = published.read_bytes()
    metadata, card = read_metadata(data), published.with_name(CARD_NAME).read_text(encoding="utf-8")
    if address.startswith(hugging_face.SCHEME):
        return str(hugging_face.put(data, metadata, card, address))
    return mlflow_registry.register(data, metadata, card, address)
