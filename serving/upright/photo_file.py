"""PhotoFile: one encoded photo, and the same photo turned: by its tag alone, or in its pixels."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import NamedTuple, Self

from PIL import Image

from models.cost import estimate
from models.errors import ImageError, UndecodableImageError, UnsupportedImageError
from models.images import exif_orientation, open_header
from models.limits import DEFAULT_LIMITS, ImageLimits, Size
from serving.upright.formats import heif, jpeg, mpf, png, tiff, webp
from serving.upright.formats.blank import Frame
from serving.upright.formats.dct import turn_coefficients
from serving.upright.formats.edit import Edit
from serving.upright.formats.mpf import Picture
from serving.upright.formats.orientation import UPRIGHT, turned
from serving.upright.formats.recode import recode_jpeg, recode_png, recode_tiff, recode_webp
from serving.upright.formats.samples import full_pictures, keeps_samples, what_would_be_lost

_MEDIA_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "TIFF": "image/tiff"}
_CONTAINERS = {"HEIF": "image/heic", "AVIF": "image/avif"}  # which are turned by their boxes, not by EXIF
_FORMATS = {"JPEG": jpeg, "PNG": png, "WEBP": webp, "TIFF": tiff}
_GLANCE = Size(1, 1)
_LARGEST_THUMBNAIL = 1_000_000  # pixels


class Turned(NamedTuple):
    """A photo whose pixels were turned, and whether nothing was lost."""

    data: bytes
    lossless: bool


@dataclass(frozen=True)
class PhotoFile:
    """A JPEG, PNG, WebP, TIFF, HEIC or AVIF file that holds one picture.

    Attributes:
        kind: Pillow's name of the format.
        orientation: by which a viewer turns what is stored; 1 to 8.
    """

    data: bytes
    kind: str
    orientation: int

    @classmethod
    def open(cls, data: bytes, limits: ImageLimits = DEFAULT_LIMITS) -> Self:
        """Reads the header; no pixel is decoded.

        Raises:
            UnsupportedImageError: it is of another format, or holds several pictures.
            UndecodableImageError: its header is broken.
            ImageTooLargeError: it is beyond the limits.
        """
        estimate(data, _GLANCE, limits)
        image = open_header(data)
        kind = str(image.format).replace("MPO", "JPEG")  # so Pillow calls one that holds further pictures
        allowed = _MEDIA_TYPES | _CONTAINERS
        if kind not in allowed:
            names = ", ".join(allowed).replace("HEIF", "HEIC")  # as people call it
            raise UnsupportedImageError(f"{kind} files are not turned; allowed are {names}")
        with _editing():
            pictures = _pictures(data, image)
        if pictures > 1:
            raise UnsupportedImageError(f"the file holds {pictures} pictures or frames; files of one alone are turned")
        return cls(data, kind, UPRIGHT if kind in _CONTAINERS else exif_orientation(data))

    @property
    def media_type(self) -> str:
        """Such as ``image/jpeg``."""
        return (_MEDIA_TYPES | _CONTAINERS)[self.kind]

    @property
    def is_heeded(self) -> bool:
        """Whether browsers show the picture as the orientation says; some formats' and odd types' they overlook."""
        with _editing():
            return self.orientation == UPRIGHT or bool(_FORMATS[self.kind].heeds_tag(self.data))

    def retagged(self, clockwise: int) -> bytes:
        """The same pixels, shown turned by so many degrees; every byte that is not about that stays.

        Raises:
            UnsupportedImageError: it is a HEIC or AVIF file whose container has no turn that could be changed.
            UndecodableImageError: its metadata is broken, so that no tag can be added.
        """
        if self.kind in _CONTAINERS:
            return self._turned_container(clockwise)
        orientation = turned(self.orientation, clockwise)
        with _editing():
            data = self._edited(Edit(orientation, clockwise))
        if exif_orientation(data) != orientation:
            raise UndecodableImageError("its orientation tag cannot be edited")
        return data

    def told(self, orientation: int) -> bytes:
        """The same pixels, shown as this orientation says.

        Raises:
            UndecodableImageError: as ``retagged``.
        """
        with _editing():
            return self._edited(Edit(orientation))

    def with_pixels(self, clockwise: int) -> Turned:
        """The same picture with its pixels as they are shown once turned by so many degrees, and a tag that says so.

        Raises:
            UnsupportedImageError: this cannot be done for a file of its kind; its tag may.
            UndecodableImageError: the file is broken.
        """
        if self.kind in _CONTAINERS:
            raise UnsupportedImageError(f"{self.kind} pixels are not coded again; method=tag turns them without loss")
        orientation = turned(self.orientation, clockwise)
        with _editing():
            if orientation == UPRIGHT:
                return Turned(self._edited(Edit(UPRIGHT, clockwise)), lossless=True)
            edit = Edit(UPRIGHT, pixels=orientation, thumbnail=lambda data: _turned_thumbnail(data, orientation))
            match self.kind:
                case "JPEG":
                    return self._jpeg(orientation, edit)
                case "PNG":
                    return self._png(orientation, edit)
                case "WEBP":
                    return self._webp(orientation, edit)
            return self._tiff(clockwise, edit)

    def _turned_container(self, clockwise: int) -> bytes:
        with _editing():
            data = heif.turned_by(self.data, clockwise)
        if data is None:
            raise UnsupportedImageError("its container tells no turn of its own, and has no room for one")
        return data

    def _edited(self, edit: Edit) -> bytes:
        edited: bytes = _FORMATS[self.kind].with_orientation(self.data, edit)
        return edited

    def _jpeg(self, orientation: int, edit: Edit) -> Turned:
        if not jpeg.is_whole(self.data):
            raise UnsupportedImageError("its end is not marked; only its tag is changed, not its pixels")
        further = mpf.further_pictures(self.data)
        if further is None or not all(self._is_stored_alike(one) for one in further):
            raise UnsupportedImageError("further pictures follow the first; only its tag is changed, not its pixels")
        first = _with_turned_pixels(self.data, orientation, edit)
        others = [_with_turned_pixels(one.of(self.data), orientation, edit) for one in further]
        pairs = [(one, new.data) for one, new in zip(further, others, strict=True)]
        lossless = all(one.lossless for one in (first, *others))
        return Turned(jpeg.with_further(self.data, first.data, pairs), lossless)

    def _is_stored_alike(self, other: Picture) -> bool:
        """Whether a smaller copy is turned by what turns the picture: its tag says the same, or nothing."""
        return exif_orientation(other.of(self.data)) in (self.orientation, UPRIGHT)

    def _png(self, orientation: int, edit: Edit) -> Turned:
        if png.is_deep_colour(self.data):
            raise UnsupportedImageError("a PNG of 16 bits a colour: only its tag is changed, as its pixels would lose")
        return Turned(png.with_pixels(self.data, recode_png(self.data, orientation), edit), lossless=True)

    def _tiff(self, clockwise: int, edit: Edit) -> Turned:
        if lost := what_would_be_lost(self.data):
            raise UnsupportedImageError(f"a TIFF with {lost}: only its tag is changed, not its pixels")
        coded = recode_tiff(self.data, clockwise)
        if not keeps_samples(self.data, coded):
            raise UnsupportedImageError("a TIFF of unusual samples: only its tag is changed, as its pixels would lose")
        return Turned(tiff.with_pixels(self.data, coded, edit), lossless=True)

    def _webp(self, orientation: int, edit: Edit) -> Turned:
        lossless = webp.is_lossless(self.data)
        coded = recode_webp(self.data, orientation, lossless=lossless)
        return Turned(webp.with_pixels(self.data, coded, edit), lossless)


def _pictures(data: bytes, image: Image.Image) -> int:
    match image.format:
        case "TIFF":
            return full_pictures(data)
        case "JPEG" | "MPO":
            return mpf.full_pictures(data)
    return getattr(image, "n_frames", 1)


def _with_turned_pixels(data: bytes, orientation: int, edit: Edit) -> Turned:
    coded, lossless = _turned_jpeg(data, orientation)
    return Turned(jpeg.with_pixels(data, coded, edit, recoded=not lossless), lossless)


def _turned_jpeg(data: bytes, orientation: int) -> Turned:
    with suppress(RuntimeError):  # of a kind that Pillow may still read
        if coded := turn_coefficients(data, orientation):
            return Turned(coded, lossless=True)
    return Turned(recode_jpeg(data, orientation), lossless=False)


def _turned_thumbnail(data: bytes, orientation: int) -> bytes:
    """A broken one stays as it is, and so does one that is no thumbnail: nothing else guards its size."""
    with suppress(Exception):
        frame = Frame.of(data)
        if frame.width * frame.height <= _LARGEST_THUMBNAIL:
            return _turned_jpeg(data, orientation).data
    return data


@contextmanager
def _editing() -> Iterator[None]:
    try:
        yield
    except ImageError:
        raise
    except Exception as error:  # as in models/images.py: hostile bytes make Pillow raise anything
        raise UndecodableImageError(f"the file cannot be edited: {' '.join(str(error).split())}") from error
