"""Tasks: what is done with a photo's file, as calls that need no state, and what each takes."""

from typing import Literal

from models.cost import Cost
from models.limits import ImageLimits
from serving.engine.task import Made, Task
from serving.upright.formats.orientation import UPRIGHT
from serving.upright.photo_file import PhotoFile

Method = Literal["tag", "pixels"]
"""How a photo is turned: ``tag`` changes its EXIF orientation (which WebP has none of), ``pixels`` what is stored."""

# Of a pixel: what is decoded, turned and coded again, at once; and the time. A JPEG's coefficients are 4 bytes each,
# twice, and its library holds the interpreter; lossless WebP is slow to code.
_BYTES_PER_PIXEL = {"JPEG": 16, "PNG": 16, "TIFF": 16, "WEBP": 40}
_S_PER_PIXEL = {"JPEG": 80e-9, "PNG": 200e-9, "TIFF": 200e-9, "WEBP": 1500e-9}
_S_PER_BYTE, _COPIES = 20e-9, 3
_TURNING = 3  # times the time that decoding may take


def looking(data: bytes, limits: ImageLimits, cpu_s: float) -> Task:
    """Reads the header; makes the kind and the orientation."""
    return Task(look, data, (limits,), _editing(data), cpu_s)


def standing(photo: PhotoFile, method: Method, cpu_s: float) -> Task:
    """Makes whether an upright picture needs nothing; a second call always finds that."""
    return Task(stand, photo.data, (photo.kind, photo.orientation, method), _editing(photo.data), cpu_s)


def turning(photo: PhotoFile, clockwise: int, method: Method, cost: Cost, cpu_s: float) -> Task:
    """Makes the photo turned by so many degrees, and what was done to it; ``cost`` is that of decoding it."""
    edited = _editing(photo.data)
    if not _turns_tag(photo.kind, method):
        seconds = cost.seconds + cost.pixels * _S_PER_PIXEL.get(photo.kind, 0)
        edited = Cost(cost.pixels, edited.bytes + cost.pixels * _BYTES_PER_PIXEL.get(photo.kind, 0), seconds, seconds)
    arguments = (photo.kind, photo.orientation, clockwise, method)
    return Task(turn, photo.data, arguments, edited, _TURNING * cpu_s)


def look(data: bytes, limits: ImageLimits) -> Made:
    """See ``looking``."""
    photo = PhotoFile.open(data, limits)
    return Made((), (photo.kind, photo.orientation))


def stand(data: bytes, kind: str, orientation: int, method: Method) -> Made:
    """See ``standing``."""
    photo = PhotoFile(data, kind, orientation)
    return Made((), (photo.is_heeded if method == "tag" else orientation == UPRIGHT,))


def turn(data: bytes, kind: str, orientation: int, clockwise: int, method: Method) -> Made:
    """See ``turning``."""
    photo = PhotoFile(data, kind, orientation)
    if _turns_tag(kind, method):
        return Made((photo.retagged(clockwise),), ("tag",))
    turned = photo.with_pixels(clockwise)
    return Made((turned.data,), ("lossless" if turned.lossless else "reencoded",))


def _turns_tag(kind: str, method: Method) -> bool:
    return method == "tag" and kind != "WEBP"  # whose tag is overlooked


def _editing(data: bytes) -> Cost:
    return Cost(0, _COPIES * len(data), len(data) * _S_PER_BYTE)
