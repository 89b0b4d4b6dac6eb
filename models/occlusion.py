"""What an answer hangs on: parts of the picture are hidden, one after the other (Zeiler and Fergus 2013).

Works on any classifier, as it needs no gradient.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Predict = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Answers ``uint8[N,H,W,C]`` with ``float32[N,K]``."""

STEPS = 13
"""Positions along each side of a patch that hides a sixth of it."""

_PATCHES = 6
_RED, _BLUE = (214, 40, 40), (29, 105, 205)


def occlusion_map(predict: Predict, pixels: NDArray[np.uint8], label: int, steps: int = STEPS) -> NDArray[np.float32]:
    """How much the probability of a label falls when a patch is filled with the picture's mean colour.

    Args:
        predict: the classifier; asked once, about ``steps * steps + 1`` pictures.
        pixels: ``uint8[H,W,C]``, as the model takes them.
        label: column of the probabilities.
        steps: positions along each side; from 7 on, no part of the picture is never hidden.

    Returns:
        ``float32[steps,steps]``, by the patch's place from top left; below zero where hiding it makes the label
        likelier.
    """
    height, width = (max(1, round(side / _PATCHES)) for side in pixels.shape[:2])
    mean = pixels.mean(axis=(0, 1)).round().astype(np.uint8)
    hidden = [pixels]
    for top in np.linspace(0, pixels.shape[0] - height, steps).round().astype(int):
        for left in np.linspace(0, pixels.shape[1] - width, steps).round().astype(int):
            covered = pixels.copy()
            covered[top : top + height, left : left + width] = mean
            hidden.append(covered)
    probability = predict(np.stack(hidden))[:, label]
    fall: NDArray[np.float32] = (probability[0] - probability[1:]).reshape(steps, steps)
    return fall


def overlay(image: Image.Image, fall: NDArray[np.float32]) -> Image.Image:
    """Lays a map over the grey picture: red where hiding speaks against the label, blue where it speaks for it."""
    strength = np.abs(fall) / max(float(np.abs(fall).max()), 1e-6)
    alpha = Image.fromarray((strength * 190).astype(np.uint8)).resize(image.size, Image.Resampling.BICUBIC)
    sign = Image.fromarray(((fall > 0) * 255).astype(np.uint8)).resize(image.size, Image.Resampling.NEAREST)
    colour = Image.composite(Image.new("RGB", image.size, _RED), Image.new("RGB", image.size, _BLUE), sign)
    return Image.composite(colour, image.convert("L").convert("RGB"), alpha)
