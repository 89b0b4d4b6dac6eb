"""A few pictures of a manifest, as a model sees them."""

import numpy as np
from numpy.typing import NDArray

from models.preprocessing import Preprocessing
from training.photos.manifest import Manifest
from training.photos.tasks import Task, turn_image


def sample_pictures(photos: Manifest, task: Task, preprocessing: Preprocessing, count: int = 200) -> NDArray[np.uint8]:
    """Draws photos evenly; where labels are made by turning, each in one of the turns.

    Returns:
        ``uint8[M,H,W,C]``, M being at most ``count``.
    """
    step = max(1, len(photos.photos) // count)
    chosen = photos.photos[::step][:count]
    images = [photos.decode(photo, preprocessing.size) for photo in chosen]
    turned = [turn_image(image, index % task.samples_per_photo) for index, image in enumerate(images)]
    return np.stack([preprocessing.apply(image) for image in turned])
