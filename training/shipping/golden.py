"""Golden samples: pictures with known answers that travel in the file; a service checks itself on them."""

from base64 import b64encode
from io import BytesIO

import numpy as np
from PIL import Image
from skimage import data as skimage_data
from sklearn.datasets import load_sample_image

from models.images import decode
from models.metadata import GoldenSample
from models.preprocessing import Preprocessing
from training.graph.inference import OnnxClassifier

_SIDE = 64  # pixels; keeps a PNG near 8 kB


def golden_pictures() -> list[bytes]:
    """Small PNGs of photographs that scikit-image (public domain, CC0) and scikit-learn (CC BY) ship."""
    photos = [skimage_data.astronaut(), skimage_data.coffee(), skimage_data.chelsea(), load_sample_image("china.jpg")]
    return [_small_png(photo) for photo in photos]


def golden_samples(model: bytes, preprocessing: Preprocessing) -> tuple[GoldenSample, ...]:
    """Asks an ONNX file about the golden pictures."""
    pictures = golden_pictures()
    pixels = np.stack([preprocessing.apply(decode(picture, preprocessing.size)) for picture in pictures])
    answers = OnnxClassifier(model).predict(pixels)
    return tuple(
        GoldenSample(png=b64encode(picture).decode(), probabilities=tuple(float(p) for p in answer))
        for picture, answer in zip(pictures, answers, strict=True)
    )


def _small_png(photo: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    image = Image.fromarray(photo)
    image.thumbnail((_SIDE, _SIDE))
    buffer = BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
