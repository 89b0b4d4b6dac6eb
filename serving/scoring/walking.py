"""Walking: the photos in files and trees of folders, in the order of their names."""

import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

TURNED = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".heic", ".heif", ".hif", ".avif"}
)
"""Suffixes of the files that can be turned upright."""

READ = TURNED | {".mpo", ".gif", ".bmp"}
"""Suffixes of the files that models can be asked about."""


class Photo(NamedTuple):
    """A file.

    Attributes:
        path: as it was named, or found.
        real: the file itself, whatever links lead to it.
        tree: where it was found: the folder that was named, or the file's own where that was ``named``.
        named: whether it was, and no folder.
    """

    path: Path
    real: Path
    tree: Path
    named: bool


def photos(paths: Iterable[Path], suffixes: Collection[str]) -> Iterator[Photo]:
    """Yields named files as they are, and what lies in named folders with one of the suffixes.

    In folders, hidden files and folders are passed over, and so are links, which could lead out of the tree or around
    in circles. Of paths inside each other the outer one counts. One folder's names are in memory at a time.
    """
    for path in _outermost(list(paths)):
        if path.is_dir():
            tree = path.resolve()
            for found in _walk(path, suffixes):
                yield Photo(found, tree / found.relative_to(path), tree, named=False)
        else:
            real = path.resolve()
            yield Photo(path, real, real.parent, named=True)


def trees(paths: Iterable[Path]) -> list[Path]:
    """The trees of the photos in files and folders that are there; each once, however it is spelt."""
    real = (path.resolve() for path in _outermost(list(paths)) if path.exists())
    return sorted({path if path.is_dir() else path.parent for path in real})


def _outermost(paths: list[Path]) -> Iterator[Path]:
    resolved = [path.resolve() for path in paths]
    for index, (path, real) in enumerate(zip(paths, resolved, strict=True)):
        if real not in resolved[:index] and not any(other in real.parents for other in resolved):
            yield path


def _walk(folder: Path, suffixes: Collection[str]) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            kept = [entry for entry in entries if not entry.name.startswith(".") and not entry.is_symlink()]
    except OSError:
        yield folder  # whoever opens it tells why it cannot be read
        return
    for name, is_folder in sorted((entry.name, entry.is_dir()) for entry in kept):
        if is_folder:
            yield from _walk(folder / name, suffixes)
        elif os.path.splitext(name)[1].lower() in suffixes:  # noqa: PTH122 - a Path for each name costs more than this
            yield folder / name
