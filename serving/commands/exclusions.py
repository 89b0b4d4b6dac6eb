"""Exclusions: photos that are to stay as they are, by a list that the page has saved, or that a person wrote."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Self

from models.errors import RequestError
from serving.commands.common import shown

_TOLD = 3


class Exclusions:
    """Files, and folders with all that is in them; knows which of them no photo was asked about for."""

    def __init__(self, lines: Mapping[Path, str] = MappingProxyType({})) -> None:
        """Takes the paths, without links, and how they are written."""
        self._lines = lines
        self._overlooked = dict(lines)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads a list: a path a line, as text or as JSON has it.

        Raises:
            RequestError: it cannot be read, or a line names what is not there: somebody believes that it will stay.
        """
        try:
            lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").split("\n")]
            names = [json.loads(line) if line.startswith('"') else line for line in lines if line[:1] not in ("", "#")]
            found = {Path(name).resolve(): name for name in names}
            missing = [name for one, name in found.items() if not one.exists()]
        except OSError as error:
            raise RequestError(f"the list {path} cannot be read: {error.strerror}") from None
        except ValueError as error:
            raise RequestError(f"the list {path} cannot be read: {error}") from None
        if missing:
            raise RequestError(f"the list {path} names what is not there: {_some(missing)}")
        return cls(found)

    def hold(self, photo: Path) -> bool:
        """Whether a photo is to stay."""
        held = self._lines.keys() & {photo, *photo.parents}
        for one in held:
            self._overlooked.pop(one, None)
        return bool(held)

    def overlooked(self) -> str:
        """Which of them named no photo so far; empty if all did."""
        return _some(list(self._overlooked.values())) if self._overlooked else ""


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _TOLD:,} more" * (len(names) > _TOLD)
    return ", ".join(shown(name) for name in names[:_TOLD]) + more
