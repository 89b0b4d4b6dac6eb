import numpy as np
import pytest

from models.errors import TrainingError
from training.photos.augmentation import Augmentation
from training.photos.points import UNKNOWN, read_points

TABLE = """sha256,nose_x,nose_y,left_eye_x,left_eye_y,right_eye_x,right_eye_y
aa,0.5,0.25,0.625,0.125,,
bb,,,,,,
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text(TABLE)
    return path


def test_points_come_in_the_order_of_the_photos(file):
    points = read_points(file, ["bb", "aa", "cc"])
    np.testing.assert_array_equal(points.where[0], np.zeros((3, 3)))
    np.testing.assert_array_equal(points.where[1], [[1, 0.5, 0.25], [1, 0.625, 0.125], [0, 0, 0]])
    np.testing.assert_array_equal(points.where[2, :, 0], [UNKNOWN] * 3)
    assert points.mirrored.tolist() == [0, 2, 1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sha256,nose_x\naa,1\n", "its columns must be"),
        ("path,nose_x,nose_y\naa,1,1\n", "its columns must be"),
        ("", "its columns must be"),
        ("sha256,nose_x,nose_y\naa,0.5,\n", "row 2: each x and y is a number"),
        ("sha256,nose_x,nose_y\naa,0.5,0.5\nbb,left,0.5\n", "row 3: each x and y is a number"),
        ("sha256,nose_x,nose_y\naa\n", "row 2: each x and y is a number"),
    ],
)
def test_a_file_that_is_wrong_is_told_of(text, said, tmp_path):
    (tmp_path / "points.csv").write_text(text)
    with pytest.raises(TrainingError, match=said):
        read_points(tmp_path / "points.csv", ["aa"])


def test_a_file_that_is_missing_is_told_of(tmp_path):
    with pytest.raises(TrainingError, match="there is no file of points"):
        read_points(tmp_path / "points.csv", ["aa"])


def test_a_mirrored_left_eye_is_a_right_one(file):
    points = read_points(file, ["aa"])
    mirrored = points.moved(np.array([0]), np.array([[[-1.0, 0, 1], [0, 1, 0]]]))
    np.testing.assert_allclose(mirrored[0], [[1, 0.5, 0.25], [0, 1, 0], [1, 0.375, 0.125]])


def test_what_a_crop_leaves_outside_is_not_seen_and_the_unknown_stays_unknown(file):
    points = read_points(file, ["aa", "cc"])
    lower_part = np.array([[[1.0, 0, 0], [0, 5 / 4, -1 / 4]]] * 2)
    moved = points.moved(np.array([0, 1]), lower_part)
    assert moved[0, :, 0].tolist() == [1, 0, 0]
    np.testing.assert_allclose(moved[0, 0, 1:], [0.5, 0.0625])
    assert moved[1, :, 0].tolist() == [UNKNOWN] * 3


@pytest.mark.parametrize("shape", [(120, 120), (90, 150)])
def test_points_move_with_their_pictures(shape, tmp_path):
    """A bright dot on a dark picture is found where its point is said to be."""
    (tmp_path / "dot.csv").write_text("sha256,dot_x,dot_y\ndot,0.6,0.35\n")
    points = read_points(tmp_path / "dot.csv", ["dot"])
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    across, down = (columns + 0.5) / shape[1] - 0.6, (rows + 0.5) / shape[0] - 0.35
    pixels = (255 * np.exp(-(across**2 + down**2) / 0.002)).astype(np.uint8)[..., None].repeat(3, 2)
    augmentation = Augmentation(mirror=True, min_area=0.6, max_stretch=0.4, tilt=15)
    seen = 0
    for seed in range(40):
        changed = augmentation.apply(pixels, (64, 64, 3), np.random.default_rng(seed))
        is_seen, x, y = points.moved(np.array([0]), changed.move[None])[0, 0]
        if not 0.08 < x < 0.92 or not 0.08 < y < 0.92:
            continue
        light = changed.pixels[..., 0].astype(float) ** 2
        place = np.array([(light.sum(axis) * (np.arange(64) + 0.5) / 64).sum() / light.sum() for axis in (0, 1)])
        np.testing.assert_allclose(place, [x, y], atol=0.02)
        assert is_seen == 1
        seen += 1
    assert seen > 20
