"""Registry: the models in memory; versions come and go without a lost request."""

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from models.errors import LoupeError, ModelNotFoundError, StorageFullError, StoreError
from serving.engine.allocator import give_back
from serving.engine.classifier import Classifier
from serving.engine.observer import UNOBSERVED, Observer, ReloadOutcome
from serving.settings import Settings
from serving.versions.labels import FILE_NAME, Labels
from serving.versions.loading import NONE, Candidate, Loader
from serving.versions.model_state import ModelState
from serving.versions.served_model import ServedModel

_log = logging.getLogger("loupe.registry")

_Given = ParamSpec("_Given")
_Made = TypeVar("_Made")


class Registry:
    """Loads beside what serves, then switches by one assignment, then drains and frees what is given up.

    If anything of a model is refused, nothing of it is given up.

    Attributes:
        models: what is served, by name.
    """

    def __init__(self, settings: Settings, observer: Observer = UNOBSERVED) -> None:
        self.models: Mapping[str, ServedModel] = {}
        self._loader = Loader(settings, observer)
        self._observer = observer
        self._reasons: dict[tuple[str, int | None], str] = {}
        self._unloaded: set[str] = set()
        self._retiring: set[Classifier] = set()
        self._changing = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, "models")
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, only: Collection[str] = ()) -> None:
        """Loads every model, or those of a few names if all of them are there; one that fails keeps it from starting.

        Raises:
            ModelNotFoundError: the repository is empty.
            LoupeError: as ``open_version``.
        """
        self._fetch_or_go_on()
        names = self._loader.versions()
        if not names:
            raise ModelNotFoundError(NONE.format(self._loader.root))
        wanted = [name for name in names if name in only] if names.keys() >= set(only) else []
        for name in wanted or names:
            candidate = self._loader.assemble(ServedModel.empty(name))
            for error in candidate.refused.values():
                raise error
            self._adopt(name, candidate)
        self._loader.tell_overlooked()

    async def load(self, name: str) -> None:
        """Loads what is new of a model, and gives up what is no longer wanted.

        Raises:
            ModelNotFoundError: there is no such model.
            InvalidModelError: something of it was refused; what served before still does.
            DeviceError: the device is not in effect.
            StoreError: the models are at a store, and it fails.
        """
        await self._change(self._load(name))

    async def unload(self, name: str) -> None:
        """Gives a model up until ``load`` or a restart.

        Raises:
            ModelNotFoundError: it is not loaded.
        """
        await self._change(self._unload(name))

    async def relabel(self, name: str, labels: Labels) -> None:
        """Loads the versions that are labelled, then writes the labels, then switches; all or nothing.

        Raises:
            ModelError: there is no such model or version, or a version was refused.
            StorageFullError: the file cannot be written.
        """
        await self._change(self._relabel(name, labels))

    async def refresh(self) -> None:
        """Does for every model what ``load`` does; what is refused is logged."""
        await self._change(self._refresh())

    def refresh_soon(self) -> None:
        """Begins ``refresh`` and does not wait for it; in the event loop."""
        self._keep(self.refresh())

    async def index(self) -> list[ModelState]:
        """Every version on disk or in memory."""
        on_disk = await self._loader.listed()
        found = {(name, version) for name, versions in on_disk.items() for version in versions}
        return [self._state(name, version) for name, version in sorted(found | self._in_memory())]

    def in_memory(self, name: str) -> list[ModelState]:
        """The versions of a model that are in memory, and those on their way there or out of it."""
        return [self._state(one, version) for one, version in sorted(self._in_memory()) if one == name]

    def _in_memory(self) -> set[tuple[str, int]]:
        found = {(name, version) for name, model in self.models.items() for version in model.versions}
        found |= {(one.metadata.name, one.metadata.version) for one in self._retiring}
        return found | ({self._loader.opening} if self._loader.opening else set())

    def close(self) -> None:
        """Answers what waits for any version, and ends all threads."""
        for classifier in [
            *self._retiring,
            *(one for model in self.models.values() for one in model.versions.values()),
        ]:
            classifier.close()

    async def _change(self, change: Coroutine[None, None, None]) -> None:
        """One at a time; a caller who leaves does not leave a change half made."""

        async def alone() -> None:
            async with self._changing:
                try:
                    await change
                finally:
                    await self._beside(give_back)  # what loading takes, and proving, is twenty times a file

        await asyncio.shield(self._keep(alone()))

    def _fetch_or_go_on(self) -> None:
        """A store that fails does not stop a start, if its models were fetched before."""
        try:
            self._loader.fetch()
        except StoreError as error:
            if not self._loader.versions():
                raise
            _log.error("the models that were fetched before are served: %s", error)

    def _current(self, name: str) -> ServedModel:
        return self.models.get(name, ServedModel.empty(name))

    def _keep(self, coroutine: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _beside(self, call: Callable[_Given, _Made], *given: _Given.args, **named: _Given.kwargs) -> _Made:
        """In one thread: the C library keeps a heap for each, and of loading a model some 10 MB stay in it."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, partial(call, *given, **named))

    async def _load(self, name: str) -> None:
        await self._beside(self._loader.fetch)
        if name not in self.models and name not in await self._loader.listed():
            raise ModelNotFoundError(f"there is no model {name[:100]!r} in {self._loader.root}")
        candidate = await self._beside(self._loader.assemble, self._current(name))
        self._unloaded.discard(name)
        self._adopt(name, candidate)
        for error in candidate.refused.values():
            raise error

    async def _unload(self, name: str) -> None:
        if name not in self.models:
            raise ModelNotFoundError(f"there is no model {name[:100]!r}; there are: {', '.join(self.models) or 'none'}")
        self._unloaded.add(name)
        self._adopt(name, Candidate(ServedModel.empty(name), {}))

    async def _refresh(self) -> None:
        try:
            await self._beside(self._loader.fetch)
        except LoupeError as error:
            _log.error("the models in memory stay: %s", error)
            return
        there = await self._loader.listed()
        if not there:  # not yet mounted again, say
            _log.error("there are no models on disk; those in memory stay", extra={"folder": str(self._loader.root)})
            return
        for name in sorted({*there, *self.models} - self._unloaded):
            self._adopt(name, await self._beside(self._loader.assemble, self._current(name)))

    async def _relabel(self, name: str, labels: Labels) -> None:
        if name not in self.models:
            raise ModelNotFoundError(f"there is no model {name[:100]!r}; there are: {', '.join(self.models) or 'none'}")
        candidate = await self._beside(self._loader.assemble, self.models[name], labels)
        try:
            for version in labels.versions & candidate.refused.keys():
                raise candidate.refused[version]
            await self._beside(self._loader.write_labels, name, labels)
        except (LoupeError, OSError) as error:
            for classifier in _given_up(candidate.model, self.models[name]):
                await self._beside(classifier.close)
            if isinstance(error, OSError):
                raise StorageFullError(f"{name}/{FILE_NAME} cannot be written: {error.strerror}") from None
            raise
        self._adopt(name, candidate)

    def _adopt(self, name: str, candidate: Candidate) -> None:
        """Switches, tells, and gives up what is no longer there; in the event loop, or before there is one."""
        old = self._current(name)
        others = {other: model for other, model in self.models.items() if other != name}
        changed = {**others, name: candidate.model} if candidate.model.versions else others
        self.models = dict(sorted(changed.items()))
        for version, error in candidate.refused.items():
            self._tell(name, version, "refused", str(error))
        for classifier in _given_up(candidate.model, old):
            self._tell(name, classifier.metadata.version, "loaded")
        for classifier in _given_up(old, candidate.model):
            self._tell(name, classifier.metadata.version, "unloaded")
            self._keep(self._retire(classifier))

    async def _retire(self, classifier: Classifier) -> None:
        self._retiring.add(classifier)
        try:
            await classifier.retire()
        finally:
            self._retiring.discard(classifier)
        del classifier
        await self._beside(give_back)

    def _tell(self, name: str, version: int | None, outcome: ReloadOutcome, reason: str = "") -> None:
        self._reasons.pop((name, version), None)
        if reason:
            self._reasons[name, version] = reason
        level = logging.ERROR if outcome == "refused" else logging.INFO
        _log.log(level, f"model {outcome}", extra={"model": name, "version": version, "reason": reason})
        self._observer.reloaded(name, outcome)

    def _state(self, name: str, version: int) -> ModelState:
        number = str(version)
        if self._loader.opening == (name, version):
            return ModelState(name, number, "LOADING")
        if name in self.models and version in self.models[name].versions:
            return ModelState(name, number, "READY", self._reasons.get((name, version), ""))
        if any((one.metadata.name, one.metadata.version) == (name, version) for one in self._retiring):
            return ModelState(name, number, "UNLOADING", "requests are still being answered")
        why = "unloaded on request" if name in self._unloaded else "not among the versions that are wanted"
        return ModelState(name, number, "UNAVAILABLE", self._reasons.get((name, version), why))


def _given_up(old: ServedModel, new: ServedModel) -> list[Classifier]:
    """What the one has and the other has not."""
    kept = set(new.versions.values())
    return [classifier for classifier in old.versions.values() if classifier not in kept]
