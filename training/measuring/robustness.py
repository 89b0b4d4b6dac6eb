"""How much accuracy is left when pictures are damaged as photos are on their way to a service.

The damage is done to the turned picture at the size at which it was decoded for the model: a JPEG of more than twice
the input comes at once to twice that size, any other picture at its own. So half the resolution is about half of
what the model sees, however large the photo was.
"""

from collections.abc import Mapping
from io import BytesIO
from types import MappingProxyType
from zlib import crc32

import numpy as np
from PIL import Image, ImageFilter

from models.metadata import ModelMetadata
from models.metrics import ConditionMetrics, Metrics
from training.measuring.evaluation import Change, ask, judge
from training.measuring.ranking import roc_auc
from training.photos.manifest import Manifest
from training.photos.tasks import task_of

_JPEG_QUALITY = 30
_CROPPED_AREA = 0.5
_NOISE = 20.0  # grey levels, one standard deviation: a phone at ISO 3200


def compress(image: Image.Image, quality: int = _JPEG_QUALITY) -> Image.Image:
    """Saves as JPEG with chroma at half resolution, and opens it again."""
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling=2)
    return Image.open(buffer).convert("RGB")


def crop(image: Image.Image, area: float = _CROPPED_AREA) -> Image.Image:
    """Keeps the middle, with the picture's own aspect."""
    cut = (1 - area**0.5) / 2
    left, top = round(image.width * cut), round(image.height * cut)
    return image.crop((left, top, image.width - left, image.height - top))


def shrink(image: Image.Image, factor: int = 2) -> Image.Image:
    """Reduces, and enlarges again to the old size."""
    small = image.resize((max(1, image.width // factor), max(1, image.height // factor)), Image.Resampling.BILINEAR)
    return small.resize(image.size, Image.Resampling.BILINEAR)


def grey(image: Image.Image) -> Image.Image:
    """Takes the colours away."""
    return image.convert("L").convert("RGB")


def fade(image: Image.Image) -> Image.Image:
    """An old print on a scanner: soft, low in contrast, black lifted, blue bleached more than red."""
    pixels = np.asarray(image.filter(ImageFilter.GaussianBlur(0.7)), np.float32)
    faded = pixels * np.array([0.62, 0.58, 0.48], np.float32) + np.array([80, 68, 58], np.float32)
    return Image.fromarray(faded.round().astype(np.uint8))


def add_noise(image: Image.Image, deviation: float = _NOISE) -> Image.Image:
    """Adds Gaussian noise, the same at each call for one picture."""
    rng = np.random.default_rng(crc32(image.tobytes()))
    noisy = np.asarray(image, np.float32) + rng.normal(0, deviation, (image.height, image.width, 3))
    return Image.fromarray(np.clip(noisy, 0, 255).round().astype(np.uint8))


CONDITIONS: Mapping[str, Change] = MappingProxyType(
    {
        f"JPEG quality {_JPEG_QUALITY}": compress,
        f"middle {_CROPPED_AREA:.0%} of the area": crop,
        "half the resolution": shrink,
        "grey": grey,
        "faded like a scan": fade,
        f"noise of {_NOISE:g} grey levels": add_noise,
    }
)


def with_conditions(metrics: Metrics, data: bytes, metadata: ModelMetadata, manifest: Manifest) -> Metrics:
    """Adds what the model answers on damaged copies of all photos, one condition after the other.

    Args:
        metrics: measured on the photos as they are.
        data: the ONNX file.
        metadata: of the file.
        manifest: of the photos.
    """
    task = task_of(metadata.labels)
    conditions = {}
    for name, damage in CONDITIONS.items():
        answers = ask(data, metadata.preprocessing, manifest, task, damage)
        auc = roc_auc(answers.probabilities[:, 1].astype(np.float64), answers.labels == 1)
        conditions[name] = ConditionMetrics(
            accuracy=float(judge(answers, metadata).right.mean()),
            roc_auc=auc if len(metadata.labels) == 2 and not np.isnan(auc) else None,
        )
    return metrics.model_copy(update={"conditions": conditions})
