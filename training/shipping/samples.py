"""A few pictures of a manifest, as a model sees them."""

import numpy as np
from numpy.typing import NDArray

from models.preprocessing import Preprocessing
from training.photos.manifest import Manifest
from training.photos.tasks import Task, turn_image


def sample_pictures(photos: Manifest, task: Task, preprocessing: Preprocessing, count: int = 200) -> NDArray[np.uint8]:
    """Draws photos evenly from the whole list, which may be sorted by label.

    Where labels are made by turning, each is drawn in one of the turns.

    Returns:
        ``uint8[M,H,W,C]``, M being at most ``count``.
    """
    places = np.linspace(0, len(photos.photos) - 1, min(count, len(photos.photos))).round().astype(int)
    images = [photos.decode(photos.photos[place], preprocessing.size) for place in places]
    turned = [turn_image(image, index % task.samples_per_photo) for index, image in enumerate(images)]
    return np.stack([preprocessing.apply(image) for image in turned])
