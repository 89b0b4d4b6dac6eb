"""What an answer hangs on: parts of the picture are hidden, one after the other (Zeiler and Fergus 2013).

Works on any ONNX file, as it needs no gradient.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.graph.inference import OnnxClassifier

_PATCHES = 6  # a patch hides a sixth of each side
_STEPS = 13  # positions along each side
_RED, _BLUE = (214, 40, 40), (29, 105, 205)


def occlusion_map(classifier: OnnxClassifier, pixels: NDArray[np.uint8], label: int) -> NDArray[np.float32]:
    """How much the probability of a label falls when a patch is filled with the picture's mean colour.

    Args:
        classifier: the model.
        pixels: ``uint8[H,W,C]``, as the model takes them.
        label: column of the probabilities.

    Returns:
        ``float32[13,13]``, by the patch's place from top left; below zero where hiding it makes the label likelier.
    """
    height, width = (max(1, round(side / _PATCHES)) for side in pixels.shape[:2])
    mean = pixels.mean(axis=(0, 1)).round().astype(np.uint8)
    hidden = [pixels]
    for top in np.linspace(0, pixels.shape[0] - height, _STEPS).round().astype(int):
        for left in np.linspace(0, pixels.shape[1] - width, _STEPS).round().astype(int):
            covered = pixels.copy()
            covered[top : top + height, left : left + width] = mean
            hidden.append(covered)
    probability = classifier.predict(np.stack(hidden))[:, label]
    fall: NDArray[np.float32] = (probability[0] - probability[1:]).reshape(_STEPS, _STEPS)
    return fall


def overlay(image: Image.Image, fall: NDArray[np.float32]) -> Image.Image:
    """Lays a map over the grey picture: red where hiding speaks against the label, blue where it speaks for it."""
    strength = np.abs(fall) / max(float(np.abs(fall).max()), 1e-6)
    alpha = Image.fromarray((strength * 190).astype(np.uint8)).resize(image.size, Image.Resampling.BICUBIC)
    sign = Image.fromarray(((fall > 0) * 255).astype(np.uint8)).resize(image.size, Image.Resampling.NEAREST)
    colour = Image.composite(Image.new("RGB", image.size, _RED), Image.new("RGB", image.size, _BLUE), sign)
    return Image.composite(colour, image.convert("L").convert("RGB"), alpha)
