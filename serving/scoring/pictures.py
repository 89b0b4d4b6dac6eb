"""Pictures: what is to be judged, one by one, from wherever it is kept."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from serving.scoring.walking import READ, photos


class Picture(NamedTuple):
    """One that is to be judged.

    Attributes:
        name: as its rows will name it.
        place: the file that it is in; empty where its bytes are here.
        data: the encoded picture, if it is here.
    """

    name: str
    place: str
    data: bytes | None = None


def pictures_in(paths: Iterable[Path]) -> Iterator[Picture]:
    """Those in files and trees of folders."""
    return (Picture(str(photo.path), str(photo.path)) for photo in photos(paths, READ))
