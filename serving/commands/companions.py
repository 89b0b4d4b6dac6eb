"""Companions: files that are one photo together, such as a RAW file and its JPEG, or a live photo and its film.

Cameras and phones give them one name in one folder. Programs keep them together, and show one in the other's place.
"""

import os
from collections import defaultdict
from functools import lru_cache
from pathlib import Path

from serving.scoring.walking import TURNED

_RAW = "3fr arw cr2 cr3 crw dcr dng erf iiq kdc mef mos mrw nef nrw orf pef raf raw rw2 rwl sr2 srf srw x3f"
_FILMS = "mov mp4"
_SUFFIXES = TURNED | {f".{suffix}" for suffix in (*_RAW.split(), *_FILMS.split())}
_FOLDERS_AT_ONCE = 4  # photos come folder by folder


class Companions:
    """Looks into each folder once while its photos come."""

    def __init__(self) -> None:
        self._names = lru_cache(_FOLDERS_AT_ONCE)(_names)

    def of(self, photo: Path) -> list[Path]:
        """The other files of its name beside a photo.

        Raises:
            OSError: the folder cannot be read.
        """
        names = self._names(photo.parent).get(photo.stem.lower(), [])
        return [photo.with_name(name) for name in names if name != photo.name]


def _names(folder: Path) -> dict[str, list[str]]:
    found = defaultdict[str, list[str]](list)
    with os.scandir(folder) as entries:
        for entry in entries:
            path = Path(entry.name)
            if path.suffix.lower() in _SUFFIXES:
                found[path.stem.lower()].append(entry.name)
    return {stem: sorted(names) for stem, names in found.items() if len(names) > 1}
