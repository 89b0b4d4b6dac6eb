"""The list of photos that a model is made from: what each is, where it came from, and which split it lies in."""

import csv
import hashlib
import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Self

from PIL import Image

from models.counted import counted
from models.errors import ImageError, ManifestError, SplitLeakError
from models.images import Size, decode
from training.photos.written import is_text, read_table

SPLITS = {"train": 0.75, "validation": 0.07, "calibration": 0.08, "test": 0.10}


@dataclass(frozen=True)
class Photo:
    """One line of a manifest.

    Attributes:
        path: relative to the manifest's folder.
        label: the name of its class; empty where labels are made by turning.
        group: near-duplicates share one; a group lies in one split.
        split: one of ``SPLITS``.
        sha256: of the file's bytes.
        bytes: size of the file.
        width: as stored, in pixels.
        height: as stored, in pixels.
        dhash: 64-bit difference hash as 16 hexadecimal digits.
        source: the data set it came from.
        licence: the terms it came under.
    """

    path: str
    label: str
    group: str
    split: str
    sha256: str
    bytes: int
    width: int
    height: int
    dhash: str
    source: str
    licence: str


_COLUMNS = tuple(field.name for field in fields(Photo))
_WHOLE_NUMBERS = ("bytes", "width", "height")
_NAMES_AS_BYTES = "surrogateescape"  # Linux' file names need not be UTF-8


@dataclass(frozen=True)
class Manifest:
    """Photos and the folder that their paths are relative to."""

    folder: Path
    photos: tuple[Photo, ...]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads a CSV file.

        Raises:
            ManifestError: it is missing, lacks a column, or has a line that is not of this form.
            TrainingError: see ``read_table``.
        """
        if not path.is_file():
            raise ManifestError(f"there is no manifest {path}; `loupe-train manifest DIR` writes one")
        columns, rows = read_table(path, names_as_bytes=True)
        if missing := [name for name in _COLUMNS if name not in columns]:
            raise ManifestError(f"the manifest {path} lacks the columns {', '.join(missing)}")
        return cls(path.parent, tuple(_photo(row, path, line) for line, row in rows))

    def write(self, path: Path) -> None:
        """Writes a CSV file; paths are made relative to its folder."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        places = _relative([self.file(photo) for photo in self.photos], path.parent)
        with partial.open("w", newline="", encoding="utf-8", errors=_NAMES_AS_BYTES) as file:
            writer = csv.DictWriter(file, _COLUMNS)
            writer.writeheader()
            for photo, place in zip(self.photos, places, strict=True):
                writer.writerow(asdict(replace(photo, path=place)))
        partial.replace(path)

    def file(self, photo: Photo) -> Path:
        """Where a photo lies."""
        return self.folder / photo.path

    def decode(self, photo: Photo, at_least: Size) -> Image.Image:
        """Reads a photo through the one decoder; see ``models.images.decode``.

        Raises:
            ManifestError: the file is gone or broken; it was there when the manifest was made.
        """
        try:
            return decode(self.file(photo).read_bytes(), at_least)
        except (ImageError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise ManifestError(f"{photo.path} cannot be used any more: {reason}") from error

    def split(self, *names: str) -> Self:
        """The photos of these splits, in the manifest's order."""
        return replace(self, photos=tuple(photo for photo in self.photos if photo.split in names))

    def leaving_out(self, sources: Iterable[str]) -> Self:
        """These sources as the test split; the others' test photos, and what resembles these, are dropped.

        Raises:
            ManifestError: a source does not occur.
        """
        left_out = set(sources)
        unknown = left_out - {photo.source for photo in self.photos}
        if unknown:
            raise ManifestError(f"no photo comes from {', '.join(sorted(unknown))}")
        resembling = {photo.group for photo in self.photos if photo.source in left_out}
        chosen = (
            replace(photo, split="test") if photo.source in left_out else photo
            for photo in self.photos
            if photo.source in left_out or (photo.split != "test" and photo.group not in resembling)
        )
        return replace(self, photos=tuple(chosen))

    def learning_from(self, share: float) -> Self:
        """About this share of the training photos, and all others; a smaller share is part of a larger one."""
        kept = share * SPLITS["train"]
        chosen = (photo for photo in self.photos if photo.split != "train" or _place_of(photo.group) < kept)
        return replace(self, photos=tuple(chosen))

    def halves(self) -> tuple[Self, Self]:
        """All photos in two parts, each group in one of them, whatever split it lies in."""
        parts = ([photo for photo in self.photos if (_place_of(photo.group) < 0.5) == first] for first in (True, False))
        first, second = (replace(self, photos=tuple(photos)) for photos in parts)
        return first, second

    def leaked(self) -> frozenset[str]:
        """The groups that lie in more than one split."""
        splits = defaultdict(set)
        for photo in self.photos:
            splits[photo.group].add(photo.split)
        return frozenset(group for group, names in splits.items() if len(names) > 1)

    def without_leaks(self) -> Self:
        """The photos of groups that lie in one split."""
        leaked = self.leaked()
        return replace(self, photos=tuple(photo for photo in self.photos if photo.group not in leaked))

    def check_splits(self) -> None:
        """Fails where a group crosses splits.

        Raises:
            SplitLeakError: names how many groups do, and two photos of one.
        """
        leaked = self.leaked()
        if leaked:
            group = min(leaked)
            pair = [photo for photo in self.photos if photo.group == group]
            other = next(photo for photo in pair if photo.split != pair[0].split)
            raise SplitLeakError(
                f"there are near-duplicates in several splits, {counted(len(leaked), 'group')} of them, "
                f"e.g. {pair[0].path} ({pair[0].split}) and {other.path} ({other.split})"
            )

    def digest(self, labels: Sequence[str]) -> str:
        """SHA-256 of what a measurement on these photos depends on: their digests and labels, and the set of labels."""
        lines = sorted(f"{photo.sha256} {photo.label}" for photo in self.photos)
        return hashlib.sha256("\n".join([*labels, *lines]).encode()).hexdigest()


def is_listed(columns: Collection[str]) -> bool:
    """Whether a table with these columns is one that ``Manifest.write`` wrote."""
    return set(_COLUMNS) <= set(columns)


def _relative(files: Iterable[Path], folder: Path) -> Iterator[str]:
    """From one folder to another ``..`` leads by where they are, whatever links lead there; a photo may be a link."""
    here, real = folder.resolve(), cache(Path.resolve)
    for file in files:
        yield os.path.relpath(real(file.parent) / file.name, here)


def split_of(group: str) -> str:
    """The split of a group: a hash of its name falls into one of four intervals, so photos added later move nothing."""
    place = _place_of(group)
    for name, share in SPLITS.items():
        if place < share:
            return name
        place -= share
    return name


def _place_of(group: str) -> float:
    """Between 0 and 1, as a hash of its name says."""
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[:8]) / 2**64


def _photo(row: Mapping[str, str], path: Path, line: int) -> Photo:
    if reason := _reason_against(row):
        raise ManifestError(f"{path}, line {line}: {reason}")
    return Photo(**{name: int(row[name]) if name in _WHOLE_NUMBERS else row[name] for name in _COLUMNS})  # type: ignore[arg-type]


def _reason_against(row: Mapping[str, str | None]) -> str | None:
    for name in _COLUMNS:
        value = row[name]
        if value is None:  # the line is cut off
            return f"the line has no {name}"
        if name in _WHOLE_NUMBERS and not (value.isascii() and value.isdecimal()):
            return f"the {name} is {value!r}, which is no whole number"
        if name != "path" and not is_text(value):
            return f"the {name} is not UTF-8"
    if row["split"] not in SPLITS:
        return f"the split is {row['split']!r}; allowed are {', '.join(SPLITS)}"
    return None
