"""The files under folders that may be photos; whatever is left out is told, a line for each kind."""

import csv
import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.counted import counted
from models.errors import ManifestError

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".mpo"}
    | {".heic", ".heif", ".avif"}
)
"""Of photos."""

FACTS_NAME = "manifest.csv"
_NAMED, _LINES = 5, 20  # of what was left out; the rest is counted

_log = logging.getLogger(__name__)  # nobody configures it: Python writes its warnings to stderr as they are


@dataclass(frozen=True)
class FoundFile:
    """A file to read, and what a ``manifest.csv`` at its root says of it."""

    root: Path
    path: Path
    facts: Mapping[str, str]

    @property
    def folder(self) -> str:
        """The name of the first folder under the root; empty: it lies in the root itself."""
        first, *rest = self.path.relative_to(self.root).parts
        return first if rest else ""

    @property
    def label(self) -> str:
        """As ``manifest.csv`` says, else as its folder is called."""
        return self.facts.get("label") or self.folder


def find(folders: Sequence[Path], *, labelled: bool) -> list[FoundFile]:
    """Looks through folders and all below them, but for hidden ones.

    Args:
        folders: the roots.
        labelled: whether a file must lie in the folder of its label.

    Raises:
        ManifestError: a folder is missing.
    """
    return [file for folder in folders for file in _find_in(folder, labelled)]


def tell(what: str, names: Collection[str]) -> None:
    """Says in one line what was left out, and the first names of it."""
    if names:
        few = ", ".join(sorted(names)[:_NAMED])
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        _log.warning("%s: %s%s", what, few, more)


def tell_each(what: str, reasons: Mapping[str, str]) -> None:
    """Says of the first files, in a line each, why they were left out, and how many more there are."""
    for name, reason in list(reasons.items())[:_LINES]:
        _log.warning("%s: %s: %s", what, name, reason)
    if len(reasons) > _LINES:
        _log.warning("%s: %s that cannot be read", what, counted(len(reasons) - _LINES, "more file"))


def _find_in(folder: Path, labelled: bool) -> list[FoundFile]:
    if not folder.is_dir():
        raise ManifestError(f"there is no folder {folder}")
    seen, hidden = _walk(folder)
    photos = [path for path in seen if path.suffix.lower() in SUFFIXES]
    tell("left out, as they are hidden", {name for name in hidden if Path(name).suffix.lower() in SUFFIXES})
    others = Counter(path.suffix.lower() or "no suffix" for path in seen if path.suffix.lower() not in SUFFIXES)
    tell("left out, as they are no photos", [f"{count} {kind}" for kind, count in others.items()])
    facts = _facts(folder / FACTS_NAME)
    found = [FoundFile(folder, path, facts.get(path.relative_to(folder).as_posix(), {})) for path in photos]
    return _in_their_folders(folder, found) if labelled else found


def _walk(folder: Path) -> tuple[list[Path], list[str]]:
    """Files by name, and the names of hidden ones under the folder."""
    seen, hidden = [], []
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if not path.is_file() or inside.as_posix() == FACTS_NAME:
            continue
        if any(part.startswith(".") for part in inside.parts):
            hidden.append(inside.as_posix())
        else:
            seen.append(path)
    return seen, hidden


def _in_their_folders(folder: Path, found: Sequence[FoundFile]) -> list[FoundFile]:
    tell("left out, as they lie in no label's folder", {file.path.name for file in found if not file.label})
    labels = {file.label for file in found} | {file.folder for file in found}
    empty = {path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")} - labels
    tell("no label, as there is no photo in the folder", empty)
    return [file for file in found if file.label]


def _facts(path: Path) -> dict[str, dict[str, str]]:
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        return {row.get("file", ""): row for row in csv.DictReader(file)}
