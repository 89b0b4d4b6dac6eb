import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageOps

from models.metadata import Label
from training.photos.tasks import ORIENTATION, SELFIE, task_named, task_of, turn_array, turn_image

pictures = st.tuples(*[st.integers(1, 5)] * 2).flatmap(lambda size: arrays(np.uint8, (*size, 3)))


def clockwise_by_hand(pixels: np.ndarray) -> np.ndarray:
    """The first row becomes the last column: pixel (row, column) goes to (column, height - 1 - row)."""
    height, width = pixels.shape[:2]
    turned = np.empty((width, height, 3), np.uint8)
    for row in range(height):
        for column in range(width):
            turned[column, height - 1 - row] = pixels[row, column]
    return turned


@given(pictures, st.integers(0, 3))
def test_label_k_is_k_clockwise_quarter_turns(pixels, turns):
    expected = pixels
    for _ in range(turns):
        expected = clockwise_by_hand(expected)
    np.testing.assert_array_equal(turn_array(pixels, turns), expected)
    np.testing.assert_array_equal(np.asarray(turn_image(Image.fromarray(pixels), turns)), expected)


def test_the_label_names_the_side_where_the_top_lies(photograph):
    """A white line along the scene's top, after each turn, is found at the side that the label names."""
    picture = ImageOps.expand(photograph, border=0)
    picture.paste("white", (0, 0, picture.width, 20))
    for turns, name in enumerate(ORIENTATION.label_names):
        turned = np.asarray(turn_image(picture, turns), float)
        sides = {
            "up": turned[:20],
            "right": turned[:, -20:],
            "down": turned[-20:],
            "left": turned[:, :20],
        }
        assert max(sides, key=lambda side: sides[side].mean()) == name


def test_turning_by_rotate_clockwise_gives_upright(photograph):
    for turns, label in enumerate(ORIENTATION.labels):
        turned = turn_image(photograph, turns)
        degrees = label.attributes["rotate_clockwise"]
        upright = turned.rotate(-degrees, expand=True)  # Pillow turns counter-clockwise
        np.testing.assert_array_equal(np.asarray(upright), np.asarray(photograph))


def test_mirroring_changes_labels_as_the_task_says(photograph):
    """A mirrored picture turned k times is the mirrored picture of one that was turned ``mirror[k]`` times."""
    mirrored = ImageOps.mirror(photograph)
    for turns, label in enumerate(ORIENTATION.mirror):
        np.testing.assert_array_equal(
            np.asarray(turn_image(mirrored, turns)), np.asarray(ImageOps.mirror(turn_image(photograph, label)))
        )
    assert SELFIE.mirror == (0, 1)


def test_the_two_tasks_of_the_house():
    assert ORIENTATION.label_names == ("up", "right", "down", "left")
    assert [label.attributes["rotate_clockwise"] for label in ORIENTATION.labels] == [0, 270, 180, 90]
    assert SELFIE.label_names == ("not_selfie", "selfie")
    assert (ORIENTATION.samples_per_photo, SELFIE.samples_per_photo) == (4, 1)


def test_any_other_name_is_a_task_of_folders():
    task = task_named("pets", ["cat", "dog", "newt"])
    assert (task.made_by, task.label_names, task.samples_per_photo) == ("folder", ("cat", "dog", "newt"), 1)
    assert task_named("orientation", ["cat"]) is ORIENTATION


@pytest.mark.parametrize("task", [ORIENTATION, SELFIE])
def test_a_model_s_labels_tell_its_task(task):
    calibrated = [Label(name=label.name, certain_from=0.7) for label in task.labels]
    assert task_of(calibrated) is task
    assert task_of(calibrated[::-1]).made_by == "folder"
