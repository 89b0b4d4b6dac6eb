"""Published models on disk: ``<root>/<name>/<integer version>/model.onnx``."""

import logging
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG

from models.errors import InvalidModelError, ModelNotFoundError, VersionExistsError
from models.metadata import ModelMetadata
from models.onnx_file import graph_sha256, read_properties

FILE_NAME = "model.onnx"
CARD_NAME = "MODEL_CARD.md"

_log = logging.getLogger("loupe.repository")


def read_metadata(data: bytes, path: Path | None = None) -> ModelMetadata:
    """Reads a model file's metadata and checks that the graph is the one it was written for.

    Args:
        data: the file's bytes.
        path: where it lies: then errors say which file it is, as name/version/model.onnx.

    Raises:
        InvalidModelError: not ONNX, cut off, without metadata, of another schema, or changed since it was stamped.
    """
    try:
        return _read_metadata(data)
    except InvalidModelError as error:
        if path is None:
            raise
        raise InvalidModelError(f"{'/'.join(path.parts[-3:])}: {error}") from None


def _read_metadata(data: bytes) -> ModelMetadata:
    metadata = ModelMetadata.from_properties(read_properties(data))
    if graph_sha256(data) != metadata.graph_sha256:
        raise InvalidModelError(
            f"the graph of {metadata.name} is not the one its metadata was written for (digest differs)"
        )
    return metadata


class ModelRepository:
    """The models under one folder. Other files and folders in it are passed over.

    So is what cannot be read, such as a volume's ``lost+found``; one line in the log says so.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._unreadable = set[Path]()

    def list(self) -> dict[str, tuple[int, ...]]:
        """All models by name, each with its versions, oldest first."""
        found = {folder.name: self._versions(folder) for folder in self._content(self.root)}
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
        folders = self._numbered(self.root / name)
        if version not in folders:
            raise ModelNotFoundError(f"there is no version {version} of model {name!r}")
        return folders[version] / FILE_NAME

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
        target = self._numbered(folder).get(metadata.version, folder / str(metadata.version))
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
            with suppress(OSError):  # it holds versions, unless its first one could not be written
                folder.rmdir()
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

    def _versions(self, folder: Path) -> tuple[int, ...]:
        return tuple(sorted(self._numbered(folder)))

    def _numbered(self, folder: Path) -> dict[int, Path]:
        """The folder of each version; ``0003`` is version 3, unless there is a ``3``."""
        named = [path for path in self._content(folder) if path.name.isascii() and path.name.isdecimal()]
        longest_first = sorted((path for path in named if int(path.name)), key=lambda path: -len(path.name))
        return {int(path.name): path for path in longest_first if self._holds_model(path)}

    def _holds_model(self, folder: Path) -> bool:
        try:
            return S_ISREG((folder / FILE_NAME).stat().st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            self._pass_over(folder, error)
            return False

    def _content(self, folder: Path) -> tuple[Path, ...]:
        """What lies in a folder; nothing in a file, or in what cannot be read or was removed since it was listed."""
        try:
            content = tuple(sorted(folder.iterdir()))
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as error:
            self._pass_over(folder, error)
            return ()
        self._unreadable.discard(folder)
        return content

    def _pass_over(self, folder: Path, error: OSError) -> None:
        if folder not in self._unreadable:  # the folder is listed again and again
            self._unreadable.add(folder)
            _log.warning("a folder cannot be read and is passed over: %s: %s", folder, error.strerror)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
