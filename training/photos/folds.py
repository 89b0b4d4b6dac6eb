"""Photos whose sources (people's albums, say) are dealt to folds: each source is asked about by a model new to it."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from models.errors import ManifestError
from training.photos.finding import tell
from training.photos.manifest import Manifest, Photo
from training.photos.near_duplicates import near_pairs
from training.photos.scan import scan
from training.photos.tasks import Task


def joined(photos: Manifest, over: Sequence[Path], task: Task) -> Manifest:
    """The photos to learn from always, in their splits, and those of the folders ``over``, in training or validation.

    What resembles one of the former is left out of the latter, so that no split of theirs changes.

    Args:
        photos: with their splits.
        over: folders whose sources are dealt to folds.
        task: gives labels.

    Raises:
        ManifestError: nothing is left of what the folders hold; or see ``scan``.
    """
    added = scan(over, task, known=photos)
    known = _resembling(photos.photos, added.photos)
    tell("left out, as they are known or resemble known ones", {p.path for p in added.photos if p.sha256 in known})
    if all(photo.sha256 in known for photo in added.photos):
        raise ManifestError(f"each photo under {', '.join(map(str, over))} is known already, or resembles a known one")
    fresh = (
        replace(photo, path=str(added.file(photo).resolve()), split=_learned(photo))
        for photo in added.photos
        if photo.sha256 not in known
    )
    mine = (replace(photo, path=str(photos.file(photo).resolve())) for photo in photos.photos)
    return Manifest(Path(), (*mine, *fresh))


def _resembling(known: Sequence[Photo], added: Sequence[Photo]) -> frozenset[str]:
    """The digests of added photos that are near-duplicates of known ones, or in a group with one."""
    pairs = near_pairs([photo.dhash for photo in (*known, *added)])
    alike = {int(second) - len(known) for first, second in pairs if first < len(known) <= second}
    groups = {photo.group for photo in known}
    return frozenset(photo.sha256 for place, photo in enumerate(added) if place in alike or photo.group in groups)


def _learned(photo: Photo) -> str:
    return "validation" if photo.split == "validation" else "train"


def dealt(photos: Sequence[Photo], folds: int) -> list[list[str]]:
    """Deals sources to folds, so that each has about as many sources, and photos of each label, as any other.

    Args:
        photos: of the sources.
        folds: how many.

    Returns:
        The names of each fold's sources.

    Raises:
        ManifestError: there are fewer sources than folds.
    """
    sizes = Counter(photo.source for photo in photos)
    if not 2 <= folds <= len(sizes):
        raise ManifestError(
            f"{len(sizes)} sources cannot be dealt to {folds} folds, at least one to each of at least 2"
        )
    rarest = Counter(photo.label for photo in photos).most_common()[-1][0]
    rare = Counter(photo.source for photo in photos if photo.label == rarest)
    order = sorted(sizes, key=lambda source: (-rare[source], -sizes[source], source))
    there_and_back = [*range(folds), *reversed(range(folds))]  # else the first fold would get the largest each time
    hands: list[list[str]] = [[] for _ in range(folds)]
    for place, source in enumerate(order):
        hands[there_and_back[place % len(there_and_back)]].append(source)
    return hands


def drawn(sources: Collection[str], share: float) -> frozenset[str]:
    """About this share of sources, as hashes of their names say; a smaller share is part of a larger one."""
    ordered = sorted(sources, key=lambda source: sha256(source.encode()).digest())
    return frozenset(ordered[: round(share * len(ordered))])
