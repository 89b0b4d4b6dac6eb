"""Loader: what is wanted of a model on disk → classifiers that are warm and right on their golden samples."""

import asyncio
import hashlib
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from models.errors import InvalidModelError, LoupeError
from models.mirror import Mirror
from models.repository import ModelRepository
from serving.engine.classifier import Classifier
from serving.engine.device import Accelerator
from serving.engine.observer import UNOBSERVED, Observer
from serving.engine.onnx_model import OnnxModel
from serving.engine.signatures import Signatures
from serving.settings import Settings
from serving.settings.cores import threads
from serving.settings.policy import VersionPolicies
from serving.versions.labels import Labels
from serving.versions.served_model import ServedModel

_log = logging.getLogger("loupe.registry")

NONE = "there are no models in {}; LOUPE_MODELS or --models names the folder, which has one for each model"
"""What is said of such a repository."""


class Candidate(NamedTuple):
    """What a model would be from now on, and what was refused: versions, or under None its labels."""

    model: ServedModel
    refused: Mapping[int | None, LoupeError]


class Loader:
    """Reads a repository; takes its time, so call it in a thread beside an event loop.

    Attributes:
        root: the repository's folder.
        opening: name and version of what is just being loaded.
    """

    def __init__(self, settings: Settings, observer: Observer = UNOBSERVED) -> None:
        self.root = settings.models_folder
        self._mirror = Mirror(settings.models, self.root) if isinstance(settings.models, str) else None
        self.opening: tuple[str, int] | None = None
        self._settings = settings
        self._observer = observer
        self._repository = ModelRepository(self.root)
        self._listing = ThreadPoolExecutor(1, "listing")
        self._signatures = None if settings.model_public_key is None else Signatures(settings.model_public_key)
        self._policies = VersionPolicies.parse(settings.versions)

    def tell_overlooked(self) -> None:
        """A rule for a model that is not there may be misspelt; it may also be meant for one that is to come."""
        for name in sorted(self._policies.named.keys() - self.versions().keys()):
            _log.warning("LOUPE_VERSIONS has a rule for a model that is not there", extra={"model": name})

    def fetch(self) -> None:
        """Makes the folder what the store is, if the models are at one; else there is nothing to do.

        Raises:
            StoreError: the store fails; the folder is as it was.
        """
        if self._mirror is not None:
            self._mirror.pull()

    def write_labels(self, name: str, labels: Labels) -> None:
        """Keeps a model's labels beside its versions, at a store first.

        Raises:
            StoreError: the store fails.
            OSError: the file cannot be written.
        """
        if self._mirror is not None:
            self._mirror.push_labels(name, labels.to_file())
        labels.write(self.root / name)

    def versions(self) -> dict[str, tuple[int, ...]]:
        """What there is on disk."""
        return self._repository.list()

    async def listed(self) -> dict[str, tuple[int, ...]]:
        """The same beside the event loop, as a network mount may hang, and beside what loads, as that takes long."""
        return await asyncio.get_running_loop().run_in_executor(self._listing, self.versions)

    def assemble(self, current: ServedModel, labels: Labels | None = None) -> Candidate:
        """Opens what a model's policy and labels want and ``current`` does not have yet.

        Args:
            current: what of it is served now. If anything is refused, it is all in the candidate too.
            labels: by default those on disk.
        """
        refused = dict[int | None, LoupeError]()
        try:
            labels = Labels.read(self.root / current.name) if labels is None else labels
        except InvalidModelError as error:
            refused[None], labels = error, current.labels
        opened = dict[int, Classifier]()
        for version in sorted(self._wanted(current.name) | labels.versions):
            try:
                opened[version] = self._open(current.name, version, current.versions.get(version))
            except LoupeError as error:
                refused[version] = error
        if refused:
            opened = {**current.versions, **opened}
        usable = labels if labels.versions <= opened.keys() else current.labels
        return Candidate(ServedModel(current.name, opened, usable), refused)

    def _wanted(self, name: str) -> frozenset[int]:
        return self._policies.of(name).wanted(self.versions().get(name, ()))

    def _open(self, name: str, version: int, loaded: Classifier | None) -> Classifier:
        """Raises ModelNotFoundError, InvalidModelError or DeviceError."""
        path = self._repository.path(name, version)
        self.opening = (name, version)
        try:
            return loaded if loaded is not None and _is_file_of(loaded, path) else self._open_file(name, version, path)
        except OSError as error:
            raise InvalidModelError(f"the file of {name} version {version} cannot be read: {error.strerror}") from None
        finally:
            self.opening = None

    def _open_file(self, name: str, version: int, path: Path) -> Classifier:
        """Checks signature, digest and schema, builds the session, warms it, and reproduces the golden samples."""
        settings = self._settings
        accelerator = Accelerator(settings.gpu_memory_bytes, settings.engine_cache)
        model = OnnxModel(path, settings.device, settings.max_batch_images, self._signatures, accelerator)
        if (model.metadata.name, model.metadata.version) != (name, version):
            says = f"{model.metadata.name} version {model.metadata.version}"
            raise InvalidModelError(f"the file of {name} version {version} says that it is {says}")
        model.prove()
        workers = threads(settings) if model.kind == "cpu" else 1
        return Classifier(model, workers=workers, max_queue=settings.max_queued_images, observer=self._observer)


def _is_file_of(loaded: Classifier, path: Path) -> bool:
    return hashlib.sha256(path.read_bytes()).hexdigest() == loaded.model.sha256
