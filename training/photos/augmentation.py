"""Label-safe changes to training pictures: each may happen to an upright photo before it is turned."""

from io import BytesIO
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter
from pydantic import BaseModel, ConfigDict, Field

_JPEG_QUALITY = (30, 95)
_BLUR_RADIUS = (0.3, 1.5)  # pixels of the input
_NOISE_DEVIATION = (2.0, 12.0)  # grey levels


class Changed(NamedTuple):
    """A changed copy of a picture.

    Attributes:
        pixels: ``uint8[H,W,C]``.
        move: ``float64[2,3]``, what takes (x, y, 1) to the copy's x and y, shares of either picture's width and height.
    """

    pixels: NDArray[np.uint8]
    move: NDArray[np.float64]


class Augmentation(BaseModel):
    """Ranges and chances; all zero leaves the picture as it is.

    Attributes:
        from_size: side in pixels of the pictures that crops are cut from; None: the input's.
        to_size: side in pixels of the pictures that the network learns from; None: the input's. Networks trained on
            crops do better on larger pictures than those (Touvron et al. 2019, "Fixing the train-test resolution
            discrepancy"), and smaller ones are learnt faster.
        mirror: mirrors half of the pictures left to right (before they are turned, so that every label is right).
        min_area: smallest share of the picture that a crop keeps.
        max_stretch: a crop's aspect is drawn from e^±this, so that the picture's shape tells nothing.
        tilt: largest turn off the level, in degrees.
        colour: brightness, contrast and saturation each change by a factor of up to 1 ± this.
        grey, blur, noise, jpeg: chance of each.
        mixup: chance that another picture of the same label is laid over; see ``dataset.mixed_within_labels``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    from_size: int | None = Field(None, ge=1, le=4096)
    to_size: int | None = Field(None, ge=1, le=4096)
    mirror: bool = False
    min_area: float = Field(1.0, gt=0, le=1)
    max_stretch: float = Field(0.0, ge=0, le=1)
    tilt: float = Field(0.0, ge=0, le=15)
    colour: float = Field(0.0, ge=0, lt=1)
    grey: float = Field(0.0, ge=0, le=1)
    blur: float = Field(0.0, ge=0, le=1)
    noise: float = Field(0.0, ge=0, le=1)
    jpeg: float = Field(0.0, ge=0, le=1)
    mixup: float = Field(0.0, ge=0, le=1)

    def apply(self, pixels: NDArray[np.uint8], shape: tuple[int, int, int], rng: np.random.Generator) -> Changed:
        """Changes a copy of ``uint8[H,W,C]``, and makes it of the ``shape`` that the network takes."""
        image = Image.fromarray(pixels[..., 0] if shape[2] == 1 else pixels)
        image, move = self._geometry(image, (shape[1], shape[0]), rng)
        image = self._photometry(image, rng)
        return Changed(np.asarray(image).reshape(shape), move[:2])

    def _geometry(
        self, image: Image.Image, size: tuple[int, int], rng: np.random.Generator
    ) -> tuple[Image.Image, NDArray[np.float64]]:
        """The picture at its new place, and the ``float64[3,3]`` that took it there."""
        move = np.eye(3)
        if self.tilt:
            degrees = rng.uniform(-self.tilt, self.tilt)
            move = _tilted(degrees, image.width / image.height)
            image = image.rotate(degrees, Image.Resampling.BILINEAR)
        if self.min_area < 1 or self.max_stretch:
            box = self._box(image.size, rng)
            move = _cut(box, image.size) @ move
            image = image.resize(size, Image.Resampling.BILINEAR, box=box)
        elif image.size != size:
            image = image.resize(size, Image.Resampling.BILINEAR)
        if self.mirror and rng.random() < 0.5:
            move = np.array([[-1.0, 0, 1], [0, 1, 0], [0, 0, 1]]) @ move
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return image, move

    def _box(self, size: tuple[int, int], rng: np.random.Generator) -> tuple[float, float, float, float]:
        """A random box inside the picture: (left, top, right, bottom) in pixels."""
        side = np.sqrt(rng.uniform(self.min_area, 1))
        stretch = np.exp(rng.uniform(-self.max_stretch, self.max_stretch) / 2)
        width, height = min(1.0, side * stretch) * size[0], min(1.0, side / stretch) * size[1]
        left, top = rng.uniform(0, size[0] - width), rng.uniform(0, size[1] - height)
        return left, top, left + width, top + height

    def _photometry(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        if self.colour:
            for enhancer in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
                image = enhancer(image).enhance(rng.uniform(1 - self.colour, 1 + self.colour))
        if rng.random() < self.grey and image.mode == "RGB":
            image = image.convert("L").convert("RGB")
        if rng.random() < self.blur:
            image = image.filter(ImageFilter.GaussianBlur(rng.uniform(*_BLUR_RADIUS)))
        if rng.random() < self.noise:
            image = _with_noise(image, rng)
        if rng.random() < self.jpeg:
            image = _through_jpeg(image, int(rng.integers(*_JPEG_QUALITY)))
        return image


def _tilted(degrees: float, aspect: float) -> NDArray[np.float64]:
    """Against the clock about the centre, as Pillow turns it; y grows downwards."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    centre = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    turn = np.array([[cos, sin / aspect, 0], [-sin * aspect, cos, 0], [0, 0, 1]])
    return np.asarray(centre @ turn @ np.linalg.inv(centre))


def _cut(box: tuple[float, float, float, float], size: tuple[int, int]) -> NDArray[np.float64]:
    """To what is inside of a box (left, top, right, bottom) of a picture of (width, height) pixels."""
    left, top, right, bottom = box
    across, down = right - left, bottom - top
    return np.array([[size[0] / across, 0, -left / across], [0, size[1] / down, -top / down], [0, 0, 1]])


def _with_noise(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    pixels = np.asarray(image, dtype=np.float32)
    noisy = pixels + rng.normal(0, rng.uniform(*_NOISE_DEVIATION), pixels.shape).astype(np.float32)
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def _through_jpeg(image: Image.Image, quality: int) -> Image.Image:
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert(image.mode)
