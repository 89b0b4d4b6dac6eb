"""Folders of photos → a manifest: reads every file once, groups near-duplicates, and gives each group its split."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import imagehash
from rich.progress import track

from models.errors import ImageError, ManifestError
from models.images import Size, decode, open_header
from training.photos.finding import FoundFile, find, tell_each
from training.photos.manifest import Manifest, Photo, split_of
from training.photos.near_duplicates import connected_groups, near_pairs
from training.photos.tasks import Task
from training.photos.written import is_text

_HASHED_SIZE = Size(72, 64)  # eight times the 9 x 8 cells that the difference hash compares


def scan(folders: Sequence[Path], task: Task, *, own_splits: bool = False, known: Manifest | None = None) -> Manifest:
    """Makes the manifest of all photos under some folders.

    A ``manifest.csv`` at a folder's root may tell, by ``file``, a photo's ``source``, ``licence``, ``label``,
    ``cluster`` (kept together, as near-duplicates are) and, with ``own_splits``, ``split``.

    Args:
        folders: each is searched with all folders below it.
        task: tells whether a label is made of the first folder's name.
        own_splits: takes the test split of the folder's own ``manifest.csv`` as it is; the rest is split anew.
        known: an earlier manifest: its photos stay in their groups and splits, and so does what resembles them.

    Raises:
        ManifestError: no photo was found, or a folder is missing.
    """
    files = find(folders, labelled=task.made_by == "folder")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        read = list(track(pool.map(lambda file: _read(file, task), files), "reading photos", total=len(files)))
    photos = [photo for photo in read if isinstance(photo, Photo)]
    unread = zip(files, read, strict=True)
    tell_each("left out", {str(file.path): reason for file, reason in unread if isinstance(reason, str)})
    if not photos:
        raise ManifestError(f"there is no photo under {', '.join(map(str, folders))}{_in_folders(task)}")
    clusters = [
        file.facts.get("cluster", "") for file, photo in zip(files, read, strict=True) if isinstance(photo, Photo)
    ]
    grouped = _with_groups(photos, clusters, known)
    before = known.photos if known else ()
    splits = {photo.group: photo.split for photo in before} | {photo.sha256: photo.split for photo in before}
    return Manifest(Path(), tuple(_with_split(photo, own_splits, splits) for photo in grouped))


def listed(photos: Sequence[Path], task: Task) -> Manifest:
    """Scans folders of photos, or reads the one manifest that is given in their place.

    Raises:
        ManifestError: there is more than one manifest, or what is given cannot be used.
    """
    if not any(path.suffix == ".csv" for path in photos):
        return scan(photos, task)
    if len(photos) > 1:
        raise ManifestError(f"either folders or one manifest can be given, not {', '.join(map(str, photos))}")
    return Manifest.read(photos[0])


def _in_folders(task: Task) -> str:
    return "; each label has a folder in it" if task.made_by == "folder" else ""


def _read(file: FoundFile, task: Task) -> Photo | str:
    """The photo, or why it cannot be read."""
    source = file.facts.get("source") or file.root.resolve().name
    if not is_text(source + file.label):
        return "its folder's name is not UTF-8"
    try:
        data = file.path.read_bytes()
        image = decode(data, _HASHED_SIZE)
        width, height = open_header(data).size  # decode has reduced the image
    except ImageError as error:
        return str(error)
    except OSError as error:
        return error.strerror or str(error)
    return Photo(
        path=str(file.path),
        label="" if task.made_by == "turning" else file.label,
        group="",
        split=file.facts.get("split", ""),
        sha256=hashlib.sha256(data).hexdigest(),
        bytes=len(data),
        width=width,
        height=height,
        dhash=str(imagehash.dhash(image)),
        source=source,
        licence=file.facts.get("licence") or "unknown",
    )


def _with_groups(photos: Sequence[Photo], clusters: Sequence[str], known: Manifest | None) -> list[Photo]:
    """Names a group after its known members, else after its smallest digest; drops what would join two known groups."""
    pairs = [tuple(pair) for pair in near_pairs([photo.dhash for photo in photos])]
    numbers = connected_groups(len(photos), [*pairs, *_same(clusters), *_same([photo.sha256 for photo in photos])])
    old = {photo.sha256: photo.group for photo in known.photos} if known else {}
    names: defaultdict[int, set[str]] = defaultdict(set)
    for number, photo in zip(numbers, photos, strict=True):
        names[number].update({old[photo.sha256]} if photo.sha256 in old else ())
    smallest: dict[int, str] = {}
    for number, photo in zip(numbers, photos, strict=True):
        smallest[number] = min(smallest.get(number, photo.sha256), photo.sha256)
    grouped = []
    for number, photo in zip(numbers, photos, strict=True):
        candidates = {old[photo.sha256]} if photo.sha256 in old else names[number] or {smallest[number][:16]}
        if len(candidates) == 1:
            grouped.append(replace(photo, group=next(iter(candidates))))
    return grouped


def _same(values: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of neighbours in a chain through all indices that have the same value."""
    places = defaultdict(list)
    for index, value in enumerate(values):
        if value:
            places[value].append(index)
    return [pair for indices in places.values() for pair in pairwise(indices)]


def _with_split(photo: Photo, own_splits: bool, known: Mapping[str, str]) -> Photo:
    """Known splits go by a photo's digest, which may have been moved by hand, and by its group."""
    if own_splits and photo.split == "test":
        return photo
    split = known.get(photo.sha256) or known.get(photo.group) or split_of(photo.group)
    if own_splits and split == "test":
        split = "train"  # the data set says what its test is
    return replace(photo, split=split)
