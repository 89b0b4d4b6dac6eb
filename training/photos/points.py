"""Points in photos beside their labels: where eyes and hands are, for a network to learn to tell as well.

A file has a row for each photo: its ``sha256``, and for each point ``NAME_x`` and ``NAME_y``, shares of the upright
picture's width and height from its left upper corner, empty where the point is not seen. ``find_people.py`` makes one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.errors import TrainingError
from training.photos.written import read_table

UNKNOWN = -1.0
"""Stands for "seen or not" of photos that the file does not list."""
_SIDES = {"left": "right", "right": "left"}


@dataclass(frozen=True)
class Points:
    """The points of a photo set.

    Attributes:
        where: ``float32[N,P,3]``: whether it is seen (1, 0 or ``UNKNOWN``), x and y.
        mirrored: ``int64[P]``: the place of each point's counterpart, such as the left eye's of the right one.
    """

    where: NDArray[np.float32]
    mirrored: NDArray[np.int64]

    def moved(self, photos: NDArray[np.int64], moves: NDArray[np.float64]) -> NDArray[np.float32]:
        """Where the points of changed copies of photos are.

        Args:
            photos: ``int64[B]``, their places in the set.
            moves: ``float64[B,2,3]``: for each, what takes (x, y, 1) to the copy's x and y; mirroring ones too.

        Returns:
            ``float32[B,P,3]``; what a move takes out of the picture is not seen.
        """
        where = self.where[photos].astype(np.float64)
        mirrors = np.linalg.det(moves[:, :, :2]) < 0
        where[mirrors] = where[mirrors][:, self.mirrored]
        places = where[..., 1:] @ moves[:, :, :2].transpose(0, 2, 1) + moves[:, None, :, 2]
        inside = ((places >= 0) & (places < 1)).all(-1)
        seen = np.where(inside, where[..., 0], np.minimum(where[..., 0], 0))
        return np.concatenate([seen[..., None], places], axis=-1).astype(np.float32)


def read_points(path: Path, digests: Iterable[str]) -> Points:
    """Reads the points of photos, in the order of their digests.

    Raises:
        TrainingError: there is no such file, or it is not as above; the row is named.
    """
    try:
        columns, rows = read_table(path)
    except FileNotFoundError:
        raise TrainingError(f"there is no file of points {path}") from None
    names = _names(columns, path)
    listed = {row["sha256"]: _where(row, names, f"{path}, row {line}") for line, row in rows}
    unknown = np.tile(np.array([UNKNOWN, 0, 0], np.float32), (len(names), 1))
    where = np.stack([listed.get(digest, unknown) for digest in digests])
    return Points(where, np.array([names.index(_counterpart(name, names)) for name in names]))


def _names(columns: Iterable[str], path: Path) -> list[str]:
    """The points' names, of a file whose other columns are as they must be."""
    sha256, *rest = columns or ("",)
    names = [column.removesuffix("_x") for column in rest[::2]]
    if sha256 != "sha256" or not names or rest != [f"{name}_{axis}" for name in names for axis in "xy"]:
        raise TrainingError(f"{path} is no file of points: its columns must be sha256, then NAME_x and NAME_y of each")
    return names


def _where(row: Mapping[str, str], names: list[str], place: str) -> NDArray[np.float32]:
    """``float32[P,3]`` of one photo."""
    pairs = [(row[f"{name}_x"], row[f"{name}_y"]) for name in names]
    try:
        return np.array(
            [(1.0, float(x), float(y)) if (x, y) != ("", "") else (0.0, 0.0, 0.0) for x, y in pairs], np.float32
        )
    except (TypeError, ValueError):
        raise TrainingError(f"{place}: each x and y is a number, or both are empty") from None


def _counterpart(name: str, names: list[str]) -> str:
    side, _, rest = name.partition("_")
    other = f"{_SIDES.get(side, side)}_{rest}"
    return other if other in names else name
