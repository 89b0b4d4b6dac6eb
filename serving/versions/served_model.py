"""ServedModel: all loaded versions of one model, and which of them answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self

from models.errors import ModelNotFoundError
from serving.engine.classifier import Classifier, in_use
from serving.versions.labels import SHADOW, STABLE, Labels


class Route(NamedTuple):
    """Where one call goes; ``in_use``, or before the next ``await``, as a version may be given up at any."""

    classifier: Classifier
    shadow: Classifier | None = None

    @property
    def asked(self) -> tuple[Classifier, ...]:
        """Both, as far as there are both."""
        return (self.classifier,) if self.shadow is None else (self.classifier, self.shadow)

    def in_use(self) -> in_use:
        """Keeps its versions from being given up; for the event loop's thread."""
        return in_use(self.asked)


@dataclass(frozen=True, eq=False)
class ServedModel:
    """Never changed, only replaced, so that each call sees one state of it."""

    name: str
    versions: Mapping[int, Classifier]
    labels: Labels

    @classmethod
    def empty(cls, name: str) -> Self:
        """A model of which nothing is loaded."""
        return cls(name, {}, Labels())

    @cached_property
    def default(self) -> Classifier:
        """The stable version, without that label the latest."""
        return self.versions[self.labels.version(STABLE) or max(self.versions)]

    @cached_property
    def _by_text(self) -> dict[str, Classifier]:
        return {str(number): classifier for number, classifier in self.versions.items()}

    def find(self, version: str | None = None, label: str | None = None) -> Classifier:
        """The version of this number or label; without both, the default.

        Raises:
            ModelNotFoundError: it is not loaded, or there is no such label.
        """
        if label is not None:
            number = self.labels.version(label)
            if number is None:
                known = ", ".join(self.labels.root) or "none"
                raise ModelNotFoundError(f"model {self.name!r} has no label {label[:100]!r}; there are: {known}")
            return self.versions[number]
        if version is None:
            return self.default
        loaded = self._by_text
        if version not in loaded:
            there = f"version {' and '.join(map(repr, loaded))} {'is' if len(loaded) == 1 else 'are'}"
            raise ModelNotFoundError(f"version {version[:100]!r} of model {self.name!r} is not loaded; {there}")
        return loaded[version]

    def route(self, chance: float) -> Route:
        """Where a call goes that names neither version nor label, by its chance from [0, 1)."""
        drawn, shadowing = self.labels.draw(chance), self.labels.version(SHADOW)
        classifier = self.default if drawn is None else self.versions[drawn]
        shadow = None if shadowing is None else self.versions[shadowing]
        return Route(classifier, None if shadow is classifier else shadow)
