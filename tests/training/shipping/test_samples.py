import numpy as np

from models.preprocessing import Preprocessing
from training.photos.scan import scan
from training.photos.tasks import task_named
from training.shipping.samples import sample_pictures

TASK = task_named("folders", ["bright", "dark"])


def test_pictures_are_drawn_from_all_of_a_list(folders):
    """Sixty bright photos stand first: of the first seventy, ten are dark."""
    pictures = sample_pictures(scan([folders], TASK), TASK, Preprocessing(height=8, width=8), 70)
    assert pictures.shape == (70, 8, 8, 3)
    brightness = pictures.reshape(70, -1).mean(axis=1)
    assert np.mean(brightness > np.median(brightness)) == 0.5
    assert brightness[:35].min() > brightness[35:].max()


def test_of_few_photos_each_is_drawn_once(folders):
    photos = scan([folders], TASK)
    pictures = sample_pictures(photos, TASK, Preprocessing(height=8, width=8))
    assert len(np.unique(pictures.reshape(len(pictures), -1), axis=0)) == len(pictures) == len(photos.photos)
