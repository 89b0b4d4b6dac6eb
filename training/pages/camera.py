"""How a page gets into a file: lying on something, seen from somewhere, in some light, by some scanner or phone."""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

SHORT_SIDE = 192  # pixels; as the other training photos have
_BLOCK = 16  # of JPEG: so that quarter turns map blocks onto themselves


def photographed(page: Image.Image, rng: np.random.Generator) -> bytes:
    """A JPEG of an upright page: scanned, in two cases of five, else seen by a phone; it stays upright."""
    size = _size(page)
    scanned = rng.random() < 0.4
    seen = _laid(page, size, rng, tilt=1.5 if scanned else 5.0, slant=0.0 if scanned else 0.05)
    if not scanned:
        seen = _lit(seen, rng)
    if rng.random() < 0.5:
        seen = seen.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.9)))
    if rng.random() < 0.4:
        seen = _noisy(seen, rng)
    if rng.random() < 0.3:
        seen = seen.convert("L").convert("RGB")
    buffer = BytesIO()
    seen.save(buffer, "JPEG", quality=int(rng.integers(45, 95)))
    return buffer.getvalue()


def _size(page: Image.Image) -> tuple[int, int]:
    scale = SHORT_SIDE / min(page.size)
    return tuple(max(_BLOCK, round(side * scale / _BLOCK) * _BLOCK) for side in page.size)  # type: ignore[return-value]


def _laid(
    page: Image.Image, size: tuple[int, int], rng: np.random.Generator, *, tilt: float, slant: float
) -> Image.Image:
    """The page on a ground, turned by up to ``tilt`` degrees, its corners moved by a share ``slant`` of its sides."""
    width, height = size
    angle, zoom = np.radians(rng.uniform(-tilt, tilt)), rng.uniform(0.9, 1.15)
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (width / 2, height / 2) * zoom
    turned = corners @ np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])
    moved = turned + rng.uniform(-slant, slant, (4, 2)) * size + np.array(size) / 2
    moved += rng.uniform(-0.03, 0.03, 2) * size
    step = max(1, min(page.width // width, page.height // height))  # what lies between two pixels must not vanish
    reduced = page.reduce(step) if step > 1 else page
    ends = np.array([(0, 0), (reduced.width, 0), reduced.size, (0, reduced.height)], float)
    mapping = _mapping(moved, ends)
    how = (Image.Transform.PERSPECTIVE, mapping, Image.Resampling.BICUBIC)
    mask = Image.new("L", reduced.size, 255).transform(size, *how)
    return Image.composite(reduced.transform(size, *how), _ground(size, rng), mask)


def _mapping(seen: NDArray[np.float64], page: NDArray[np.float64]) -> tuple[float, ...]:
    """The eight numbers of the projection that takes four places ``float64[4,2]`` in the photo to those of the page."""
    rows, right = [], []
    for (x, y), (u, v) in zip(seen, page, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        right += [u, v]
    return tuple(float(number) for number in np.linalg.solve(np.array(rows), np.array(right)))


def _ground(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """A table, a floor, or the lid of a scanner."""
    shade = rng.integers(0, 256, 3) if rng.random() < 0.6 else np.full(3, rng.integers(0, 256))
    grain = rng.normal(0, rng.uniform(0, 25), (6, 6, 3))
    pixels = np.clip(shade + grain, 0, 255).astype(np.uint8)
    return Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)


def _lit(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Light that falls off to some side, a soft shadow, and a colour of its own."""
    coarse = rng.uniform(rng.uniform(0.4, 0.9), 1.05, (3, 3)).astype(np.float32)
    light = np.asarray(Image.fromarray(coarse).resize(image.size, Image.Resampling.BICUBIC))
    tint = rng.uniform(0.85, 1.08, 3)
    pixels = np.asarray(image, np.float32) * light[..., None] * tint * rng.uniform(0.7, 1.1)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _noisy(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    pixels = np.asarray(image, np.float32) + rng.normal(0, rng.uniform(1, 10), (image.height, image.width, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
