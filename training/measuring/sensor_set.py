"""Photos that a camera stored sideways, with the EXIF orientation tag as their label: no turn was made by us."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.counted import counted
from models.errors import ManifestError
from models.images import Size, decode
from models.preprocessing import Preprocessing
from training.measuring.evaluation import Answers, probabilities_of
from training.photos.manifest import Manifest, Photo
from training.photos.scan import scan
from training.photos.tasks import ORIENTATION

_ORIENTATION_TAG = 0x0112
_CLOCKWISE_TO_UPRIGHT: Mapping[int, int] = MappingProxyType({1: 0, 3: 180, 6: 90, 8: 270})  # EXIF 2.3, degrees
_DEGREES = [label.attributes["rotate_clockwise"] for label in ORIENTATION.labels]


@dataclass(frozen=True)
class SensorSet:
    """Photos as their cameras stored them.

    Attributes:
        manifest: of the photos; their labels are those of the tags.
        tags: EXIF orientation of each.
    """

    manifest: Manifest
    tags: tuple[int, ...]

    @property
    def labels(self) -> NDArray[np.int64]:
        """``int64[N]``: at which side of the stored picture the scene's top lies."""
        return np.array([_DEGREES.index(_CLOCKWISE_TO_UPRIGHT[tag]) for tag in self.tags], np.int64)

    def decode(self, photo: Photo, at_least: Size) -> Image.Image:
        """The stored picture, its tag ignored."""
        return decode(self.manifest.file(photo).read_bytes(), at_least, apply_exif=False)

    def ask(self, data: bytes, preprocessing: Preprocessing) -> Answers:
        """Asks an orientation model about each stored picture."""

        def stored(photo: Photo) -> NDArray[np.uint8]:
            return preprocessing.apply(self.decode(photo, preprocessing.size))[None]

        photos = self.manifest.photos
        return Answers(
            probabilities_of(data, photos, stored),
            self.labels,
            tuple(photo.source for photo in photos),
            tuple(photo.group for photo in photos),
        )


def sensor_set(folders: Sequence[Path], *, with_upright: bool = False) -> SensorSet:
    """Finds the photos with EXIF orientation 3, 6 or 8 under some folders.

    Cameras write 3, 6 and 8 when they are held so; 1 also stands in files that a program turned or stripped.

    Args:
        folders: each is searched with all folders below it.
        with_upright: takes photos with EXIF orientation 1 too.

    Raises:
        ManifestError: there is no such photo.
    """
    wanted = {3, 6, 8} | ({1} if with_upright else set())
    listed = scan(folders, ORIENTATION)
    tags = [_tag(listed.file(photo)) for photo in listed.photos]
    kept = [(photo, tag) for photo, tag in zip(listed.photos, tags, strict=True) if tag in wanted]
    if not kept:
        allowed = ", ".join(map(str, sorted(wanted)))
        raise ManifestError(f"none of {counted(len(tags), 'photo')} has an EXIF orientation of {allowed}")
    labelled = (replace(photo, label=_name(tag)) for photo, tag in kept)
    return SensorSet(Manifest(listed.folder, tuple(labelled)), tuple(tag for _, tag in kept))


def _tag(file: Path) -> int:
    """0 where there is none, or none that can be read."""
    try:
        with Image.open(BytesIO(file.read_bytes())) as image:
            return int(image.getexif().get(_ORIENTATION_TAG, 0))
    except (OSError, SyntaxError, TypeError, ValueError):
        return 0


def _name(tag: int) -> str:
    return ORIENTATION.label_names[_DEGREES.index(_CLOCKWISE_TO_UPRIGHT[tag])]
