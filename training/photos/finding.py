"""The files under folders that may be photos; whatever is left out is told, a line for each kind."""

import logging
import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.counted import counted
from models.errors import ManifestError
from training.photos.facts import FACTS_NAME, read_facts

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".mpo"}
    | {".heic", ".heif", ".avif"}
)
"""Of photos."""

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
    """Looks through folders and all below them, links followed, but for hidden ones.

    Args:
        folders: the roots.
        labelled: whether a file must lie in the folder of its label.

    Raises:
        ManifestError: a folder is missing, or its ``manifest.csv`` names no photos.
        TrainingError: that is no UTF-8.
    """
    return [file for folder in folders for file in _find_in(folder, labelled)]


def tell(what: str, names: Collection[str]) -> None:
    """Says in one line what was left out, and the first names of it."""
    if names:
        few = ", ".join(map(_as_text, sorted(names)[:_NAMED]))
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        _log.warning("%s: %s%s", what, few, more)


def tell_each(what: str, reasons: Mapping[str, str]) -> None:
    """Says of the first files, in a line each, why they were left out, and how many more there are."""
    for name, reason in list(reasons.items())[:_LINES]:
        _log.warning("%s: %s: %s", what, _as_text(name), reason)
    if len(reasons) > _LINES:
        _log.warning("%s: %s that cannot be read", what, counted(len(reasons) - _LINES, "more file"))


def _as_text(name: str) -> str:
    """A file's name as it can be logged: bytes of it that are no UTF-8 become question marks."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _find_in(folder: Path, labelled: bool) -> list[FoundFile]:
    if not folder.is_dir():
        raise ManifestError(f"there is no folder {folder}")
    seen, hidden = _walk(folder)
    photos = [path for path in seen if path.suffix.lower() in SUFFIXES]
    tell("left out, as they are hidden", {name for name in hidden if Path(name).suffix.lower() in SUFFIXES})
    others = Counter(path.suffix.lower() or "no suffix" for path in seen if path.suffix.lower() not in SUFFIXES)
    tell("left out, as they are no photos", [f"{count} {kind}" for kind, count in others.items()])
    facts = read_facts(folder)
    tell(f"rows of {folder / FACTS_NAME} that name no photo", facts.keys() - {_inside(path, folder) for path in photos})
    found = [FoundFile(folder, path, facts.get(_inside(path, folder), {})) for path in photos]
    return _in_their_folders(folder, found) if labelled else found


def _inside(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _walk(folder: Path) -> tuple[list[Path], list[str]]:
    """Files by name, and the names of hidden ones under the folder."""
    seen, hidden, dead = [], [], []
    for path in sorted(_files_below(folder)):
        inside = path.relative_to(folder)
        if any(part.startswith(".") for part in inside.parts):
            hidden.append(inside.as_posix())
        elif path.is_file() and str(inside) != FACTS_NAME:
            seen.append(path)
        elif not path.exists():
            dead.append(inside.as_posix())
    tell("left out, as these links lead nowhere", dead)
    return seen, hidden


def _files_below(folder: Path) -> Iterator[Path]:
    """Links to folders are followed, after all folders that are none; each folder is looked through once."""
    seen, waiting, again, closed = set[Path](), [folder], list[str](), list[str]()
    while waiting:
        root = waiting.pop(0)
        if root.resolve() in seen:
            again.append(_inside(root, folder))
            continue
        for current, names, files in os.walk(root, onerror=lambda error: closed.append(str(error.filename))):
            here = Path(current)
            seen.add(here.resolve())
            yield from (here / name for name in files)
            waiting += [here / name for name in sorted(names) if (here / name).is_symlink() and name[0] != "."]
            names[:] = [name for name in names if (here / name).resolve() not in seen]
    tell("left out, as these links lead to folders that are looked through anyway", again)
    tell("left out, as these folders cannot be read", closed)


def _in_their_folders(folder: Path, found: Sequence[FoundFile]) -> list[FoundFile]:
    tell("left out, as they lie in no label's folder", {file.path.name for file in found if not file.label})
    labels = {file.label for file in found} | {file.folder for file in found}
    empty = {path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")} - labels
    tell("no label, as there is no photo in the folder", empty)
    return [file for file in found if file.label]
