"""Label-safe changes to training pictures: each may happen to an upright photo before it is turned."""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter
from pydantic import BaseModel, ConfigDict, Field

_JPEG_QUALITY = (30, 95)
_BLUR_RADIUS = (0.3, 1.5)  # pixels of the input
_NOISE_DEVIATION = (2.0, 12.0)  # grey levels


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

    def apply(
        self, pixels: NDArray[np.uint8], shape: tuple[int, int, int], rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        """Returns a changed copy of ``uint8[H,W,C]``, of the ``shape`` that the network takes."""
        image = Image.fromarray(pixels[..., 0] if shape[2] == 1 else pixels)
        image = self._geometry(image, (shape[1], shape[0]), rng)
        image = self._photometry(image, rng)
        return np.asarray(image).reshape(shape)

    def _geometry(self, image: Image.Image, size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
        if self.tilt:
            image = image.rotate(rng.uniform(-self.tilt, self.tilt), Image.Resampling.BILINEAR)
        if self.min_area < 1 or self.max_stretch:
            image = image.resize(size, Image.Resampling.BILINEAR, box=self._box(image.size, rng))
        elif image.size != size:
            image = image.resize(size, Image.Resampling.BILINEAR)
        if self.mirror and rng.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return image

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


def _with_noise(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    pixels = np.asarray(image, dtype=np.float32)
    noisy = pixels + rng.normal(0, rng.uniform(*_NOISE_DEVIATION), pixels.shape).astype(np.float32)
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def _through_jpeg(image: Image.Image, quality: int) -> Image.Image:
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert(image.mode)
