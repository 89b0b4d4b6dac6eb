"""VersionPolicies: which of the versions on disk are served."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

_RULE = re.compile(r"latest(?::(?P<count>[1-9]\d{0,5}))?|(?P<all>all)|(?P<numbers>[1-9]\d{0,17}(?:\+[1-9]\d{0,17})*)")


@dataclass(frozen=True)
class VersionPolicy:
    """The ``count`` latest versions, or these ``numbers``; both None: all."""

    count: int | None = 1
    numbers: frozenset[int] | None = None

    @classmethod
    def parse(cls, rule: str) -> Self:
        """Reads ``latest``, ``latest:2``, ``all`` or ``1+3``.

        Raises:
            ValueError: it is none of these.
        """
        match = _RULE.fullmatch(rule)
        if match is None:
            raise ValueError(f"{rule!r} is none of latest, latest:2, all, and numbers such as 1+3")
        if match["numbers"]:
            return cls(None, frozenset(map(int, match["numbers"].split("+"))))
        return cls(None if match["all"] else int(match["count"] or 1))

    def wanted(self, versions: Iterable[int]) -> frozenset[int]:
        """Chooses among the versions on disk; numbers are wanted even if they are not there."""
        if self.numbers is not None:
            return self.numbers
        newest_first = sorted(versions, reverse=True)
        return frozenset(newest_first[: self.count])


@dataclass(frozen=True)
class VersionPolicies:
    """A policy for every model, and others for some of them by name."""

    default: VersionPolicy
    named: Mapping[str, VersionPolicy]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads rules, separated by commas; ``name=rule`` is for one model.

        Raises:
            ValueError: one of them is no rule.
        """
        default, named = VersionPolicy(), dict[str, VersionPolicy]()
        for item in text.split(","):
            name, separator, rule = item.strip().rpartition("=")
            if separator:
                named[name] = VersionPolicy.parse(rule)
            else:
                default = VersionPolicy.parse(rule)
        return cls(default, named)

    def of(self, name: str) -> VersionPolicy:
        """The one for this model."""
        return self.named.get(name, self.default)
