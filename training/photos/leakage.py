"""The guard against photos that a model is trained on and tested on too, whatever a manifest says of its groups."""

from collections.abc import Iterator

from models.counted import counted
from models.errors import SplitLeakError
from training.photos.manifest import Manifest, Photo
from training.photos.near_duplicates import near_pairs


def check_leakage(manifest: Manifest) -> None:
    """Fails where a group crosses splits, or where two photos in different splits look nearly the same.

    A scan puts near-duplicates into one group; a manifest that was edited by hand, or joined from two, need not.

    Raises:
        SplitLeakError: says how many pairs there are, and names one.
    """
    manifest.check_splits()
    crossing = list(_crossing_pairs(manifest))
    if crossing:
        one, other = crossing[0]
        raise SplitLeakError(
            f"there are near-duplicates in different groups and splits, {counted(len(crossing), 'pair')}, "
            f"e.g. {one.path} ({one.split}) and {other.path} ({other.split}); `loupe-train manifest` groups them"
        )


def _crossing_pairs(manifest: Manifest) -> Iterator[tuple[Photo, Photo]]:
    photos = manifest.photos
    for first, second in near_pairs([photo.dhash for photo in photos]):
        if photos[first].split != photos[second].split:
            yield photos[first], photos[second]
