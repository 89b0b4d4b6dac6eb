"""Where a model comes from: a file, a folder in Hugging Face's layout, their cache, or MLflow's registry."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.errors import InvalidModelError, TrainingError
from models.metadata import PROPERTY
from models.onnx_file import read_properties
from training.shipping import hugging_face, mlflow_registry


@dataclass(frozen=True)
class Origin:
    """A model's file, and what lies beside it says.

    Attributes:
        file: ONNX.
        told: how people name it.
        facts: see ``hugging_face.facts_in``; empty where nothing tells.
        labels: where they stand, and in the order of the output, if anything but the file tells them.
    """

    file: Path
    told: str
    facts: dict[str, Any] = field(default_factory=dict)
    labels: tuple[str, tuple[str, ...]] | None = None

    @property
    def is_loupe_s(self) -> bool:
        """Whether it is a file that Loupe publishes, as it stands."""
        try:
            return PROPERTY in read_properties(self.file.read_bytes())
        except InvalidModelError:
            return False  # whoever reads it says why


@contextmanager
def origin_of(address: str) -> Iterator[Origin]:
    """Opens a path, ``hf://owner/name`` or ``models:/name/alias``.

    Raises:
        TrainingError: it is not there.
    """
    if address.startswith(mlflow_registry.SCHEME):
        with mlflow_registry.fetched(address) as folder:
            yield _in_folder(folder, address)
    elif address.startswith(hugging_face.SCHEME):
        yield _in_folder(hugging_face.folder_of(address), address)
    elif Path(address).is_dir():
        yield _in_folder(Path(address), address)
    elif Path(address).is_file():
        yield Origin(Path(address), address)
    else:
        raise TrainingError(f"there is no model {address}")


def _in_folder(folder: Path, told: str) -> Origin:
    return Origin(hugging_face.onnx_in(folder), told, hugging_face.facts_in(folder), hugging_face.labels_in(folder))
