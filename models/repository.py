"""Published models on disk: ``<root>/<name>/<integer version>/model.onnx``."""

import os
import shutil
import tempfile
from pathlib import Path

from models.errors import InvalidModelError, ModelNotFoundError, VersionExistsError
from models.metadata import ModelMetadata
from models.onnx_file import graph_sha256, read_properties

FILE_NAME = "model.onnx"
CARD_NAME = "MODEL_CARD.md"


def read_metadata(data: bytes) -> ModelMetadata:
    """Reads a model file's metadata and checks that the graph is the one it was written for.

    Raises:
        InvalidModelError: not ONNX, cut off, without metadata, of another schema, or changed since it was stamped.
    """
    metadata = ModelMetadata.from_properties(read_properties(data))
    if graph_sha256(data) != metadata.graph_sha256:
        raise InvalidModelError(
            f"the graph of {metadata.name} is not the one its metadata was written for (digest differs)"
        )
    return metadata


class ModelRepository:
    """The models under one folder. Other files and folders in it are passed over."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def list(self) -> dict[str, tuple[int, ...]]:
        """All models by name, each with its versions, oldest first."""
        folders = sorted(self.root.iterdir()) if self.root.is_dir() else []
        found = {folder.name: self._versions(folder) for folder in folders if folder.is_dir()}
        return {name: versions for name, versions in found.items() if versions}

    def latest(self, name: str) -> int:
        """The highest version of a model.

        Raises:
            ModelNotFoundError: there is no such model.
        """
        models = self.list()
        if name not in models:
            raise ModelNotFoundError(f"there is no model {name!r}; there are: {', '.join(models) or 'none'}")
        return models[name][-1]

    def path(self, name: str, version: int | None = None) -> Path:
        """The ONNX file of one version, by default the latest.

        Raises:
            ModelNotFoundError: there is no such model or version.
        """
        version = self.latest(name) if version is None else version
        if version not in self.list().get(name, ()):
            raise ModelNotFoundError(f"there is no version {version} of model {name!r}")
        return self.root / name / str(version) / FILE_NAME

    def publish(self, data: bytes, card: str) -> Path:
        """Adds a stamped model under the name and version that its metadata give, with its card; all or nothing.

        Args:
            data: the ONNX file.
            card: the text of its ``MODEL_CARD.md``.

        Returns:
            The path of the published file.

        Raises:
            InvalidModelError: the metadata is missing, of another schema, or written for another graph.
            VersionExistsError: the version is there already.
        """
        metadata = read_metadata(data)
        folder = self.root / metadata.name
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / str(metadata.version)
        staging = Path(tempfile.mkdtemp(prefix=".publish-", dir=folder))  # same file system, so that rename is atomic
        try:
            _write(staging / FILE_NAME, data)
            _write(staging / CARD_NAME, card.encode())
            staging.chmod(0o755)
            staging.rename(target)
        except OSError:
            if target.exists():
                raise VersionExistsError(
                    f"version {metadata.version} of {metadata.name} exists; versions are never overwritten"
                ) from None
            raise
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return target / FILE_NAME

    def remove(self, name: str, version: int) -> None:
        """Removes one version: it disappears at once, by a rename, before its files are deleted.

        Raises:
            ModelNotFoundError: there is no such model or version.
        """
        folder = self.path(name, version).parent
        grave = Path(tempfile.mkdtemp(prefix=".remove-", dir=folder.parent))
        try:
            folder.rename(grave / folder.name)
        except FileNotFoundError:
            raise ModelNotFoundError(f"version {version} of model {name!r} was removed meanwhile") from None
        finally:
            shutil.rmtree(grave)

    @staticmethod
    def _versions(folder: Path) -> tuple[int, ...]:
        try:
            numbers = [path.name for path in folder.iterdir() if path.name.isdecimal() and (path / FILE_NAME).is_file()]
        except FileNotFoundError:  # removed since it was listed
            return ()
        return tuple(sorted(int(number) for number in numbers if str(int(number)) == number and int(number) > 0))


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
