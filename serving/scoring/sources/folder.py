"""Pictures in files and trees of folders."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from serving.scoring.picture import Picture
from serving.scoring.walking import READ, photos


def pictures_in(paths: Iterable[Path]) -> Iterator[Picture]:
    """Those in files and trees of folders, in the order of their names; one folder's names are in memory at a time."""
    return (Picture(str(photo.path), str(photo.path)) for photo in photos(paths, READ))
