"""What a classifier is to tell: its labels, and how a photo gets one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.metadata import Label

_CLOCKWISE = (None, Image.Transpose.ROTATE_270, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_90)


@dataclass(frozen=True)
class Task:
    """A classification task as data.

    Attributes:
        name: of the models made for it, unless a recipe names them.
        labels: in the order of the output's columns.
        made_by: ``turning``: label k is an upright photo turned k quarter turns clockwise, so every photo gives four
            samples; ``folder``: the label is the name of the first folder under the photos' root.
        allowed_error: share of wrong answers that is accepted among certain ones, label by label.
        mirror: the label each label becomes when the picture is mirrored left to right; None forbids mirroring.
    """

    name: str
    labels: tuple[Label, ...]
    made_by: Literal["turning", "folder"]
    allowed_error: float
    mirror: tuple[int, ...] | None

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names in the order of the output's columns."""
        return tuple(label.name for label in self.labels)

    @property
    def samples_per_photo(self) -> int:
        """Four where labels are made by turning, else one."""
        return len(self.labels) if self.made_by == "turning" else 1


ORIENTATION = Task(
    name="orientation",
    labels=tuple(
        Label(name=name, attributes={"rotate_clockwise": degrees})
        for name, degrees in (("up", 0), ("right", 270), ("down", 180), ("left", 90))
    ),
    made_by="turning",
    allowed_error=0.01,
    mirror=(0, 3, 2, 1),
)

SELFIE = Task(
    name="selfie",
    labels=(Label(name="not_selfie"), Label(name="selfie")),
    made_by="folder",
    allowed_error=0.03,
    mirror=(0, 1),
)

_TASKS = {task.name: task for task in (ORIENTATION, SELFIE)}


def task_named(name: str, folder_labels: Sequence[str] = ()) -> Task:
    """Returns a task of this module, or makes one from a folder of folders.

    Args:
        name: ``orientation``, ``selfie``, or any other name for a folder task.
        folder_labels: labels found in the photos' folders, in order; only a folder task needs them.
    """
    if name in _TASKS:
        return _TASKS[name]
    return Task(name, tuple(Label(name=label) for label in folder_labels), "folder", 0.05, None)


def task_of(labels: Sequence[Label]) -> Task:
    """The task that a model with these labels was made for."""
    names = tuple(label.name for label in labels)
    known = next((task for task in _TASKS.values() if task.label_names == names), None)
    return known or task_named("folders", names)


def turn_array(pixels: NDArray[np.uint8], quarter_turns: int) -> NDArray[np.uint8]:
    """Turns ``uint8[H,W,C]`` clockwise; exact, no resampling."""
    return np.rot90(pixels, -quarter_turns)


def turn_image(image: Image.Image, quarter_turns: int) -> Image.Image:
    """Turns an image clockwise; exact, no resampling."""
    turn = _CLOCKWISE[quarter_turns]
    return image if turn is None else image.transpose(turn)
