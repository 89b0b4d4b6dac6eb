import numpy as np
import pytest
from PIL import Image

from models.occlusion import occlusion_map, overlay
from training.graph.inference import OnnxClassifier


@pytest.fixture
def looks_at_a_corner(workshop) -> OnnxClassifier:
    """Answers label 1 if the top left quarter is bright, whatever lies elsewhere."""
    weights = np.zeros((24, 24, 1, 2))
    weights[:12, :12, 0, 1] = 6 / 144
    return OnnxClassifier(workshop.linear_graph(weights.reshape(-1, 2), (24, 24, 1)))


@pytest.fixture
def bright_corner() -> np.ndarray:
    pixels = np.full((24, 24, 1), 20, np.uint8)
    pixels[:12, :12] = 250
    return pixels


def test_the_map_is_high_where_the_answer_comes_from(looks_at_a_corner, bright_corner):
    fall = occlusion_map(looks_at_a_corner.predict, bright_corner, 1)
    assert fall.shape == (13, 13)
    assert fall[:5, :5].min() > 0.001
    assert np.abs(fall[8:, 8:]).max() < 1e-6
    assert occlusion_map(looks_at_a_corner.predict, bright_corner, 0) == pytest.approx(-fall, abs=1e-6)


def test_the_overlay_is_red_there_and_grey_elsewhere(looks_at_a_corner, bright_corner):
    fall = occlusion_map(looks_at_a_corner.predict, bright_corner, 1)
    drawn = np.asarray(overlay(Image.new("RGB", (130, 130), (128, 128, 128)), fall), int)
    assert (drawn[20, 20] - drawn[20, 20, 2])[0] > 80
    assert np.ptp(drawn[110, 110]) < 10
    blue = np.asarray(overlay(Image.new("RGB", (130, 130), (128, 128, 128)), -fall), int)
    assert blue[20, 20, 2] - blue[20, 20, 0] > 80


def test_a_model_that_looks_at_nothing_has_a_blank_map(workshop, bright_corner):
    blind = OnnxClassifier(workshop.linear_graph(np.zeros((576, 2)), (24, 24, 1)))
    fall = occlusion_map(blind.predict, bright_corner, 0)
    assert (fall == 0).all()
    assert np.ptp(np.asarray(overlay(Image.new("RGB", (60, 60), (99, 99, 99)), fall)), axis=2).max() == 0


def test_pictures_smaller_than_the_patches_work(workshop):
    tiny = OnnxClassifier(workshop.linear_graph(np.ones((12, 2)), (2, 2, 3)))
    assert occlusion_map(tiny.predict, np.zeros((2, 2, 3), np.uint8), 0).shape == (13, 13)
