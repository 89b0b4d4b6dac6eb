# /// script
# requires-python = ">=3.11,<3.13"
# dependencies = ["mediapipe==0.10.14", "pillow>=11", "rich>=13"]
# ///
"""Finds the largest face and one person's arms in photos, with MediaPipe's detectors (Apache-2.0, in its wheel).

``uv run --script training/photos/find_people.py FOLDER… -o people.csv``

A script of its own, as MediaPipe wants other versions than TensorFlow does: training reads the file, and needs no
detector. Networks learn to tell where these points are beside the label (``fitting/auxiliary.py``); in service nobody
asks them.
"""

import argparse
import csv
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("GLOG_minloglevel", "2")  # MediaPipe's own notes
import numpy as np
from mediapipe.python.solutions.face_detection import FaceDetection
from mediapipe.python.solutions.pose import Pose
from numpy.typing import NDArray
from PIL import Image, ImageOps
from rich.progress import track

if TYPE_CHECKING:
    from mediapipe.framework.formats.detection_pb2 import Detection

_FACE = ("right_eye", "left_eye", "nose", "mouth", "right_ear", "left_ear")  # as the detector orders them
_BODY = {
    "left_shoulder": 11,
    "right_shoulder": 12,
    "left_elbow": 13,
    "right_elbow": 14,
    "left_wrist": 15,
    "right_wrist": 16,
    "left_hip": 23,
    "right_hip": 24,
}
_SEEN = 0.5  # of a point of the body, the least visibility
_SIDE = 640  # pixels: larger photos are made smaller
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
Points = dict[str, tuple[float, float]]  # x and y as shares of the upright picture's width and height


class Finder:
    """The detectors: one for faces at arm's length, one for faces across a room, one for bodies."""

    def __init__(self) -> None:
        self._faces = [
            FaceDetection(model_selection=0, min_detection_confidence=0.4),
            FaceDetection(model_selection=1, min_detection_confidence=0.3),
        ]
        self._body = Pose(static_image_mode=True, model_complexity=1)

    def find(self, pixels: NDArray[np.uint8]) -> Points:
        """The points of ``uint8[H,W,3]`` that are seen, by name."""
        found = self._face(pixels) | self._person(pixels)
        return {name: (x, y) for name, (x, y) in found.items() if 0 <= x < 1 and 0 <= y < 1}

    def _face(self, pixels: NDArray[np.uint8]) -> Points:
        faces = [face for detector in self._faces for face in detector.process(pixels).detections or ()]
        if not faces:
            return {}
        largest = max(faces, key=_area).location_data.relative_keypoints
        return {name: (point.x, point.y) for name, point in zip(_FACE, largest, strict=True)}

    def _person(self, pixels: NDArray[np.uint8]) -> Points:
        landmarks = self._body.process(pixels).pose_landmarks
        if landmarks is None:
            return {}
        points = {name: landmarks.landmark[place] for name, place in _BODY.items()}
        return {name: (point.x, point.y) for name, point in points.items() if point.visibility >= _SEEN}


def _area(face: "Detection") -> float:
    box = face.location_data.relative_bounding_box
    return float(box.width * box.height)


def photos_below(folders: list[Path]) -> list[Path]:
    """The photos in folders, links followed once."""
    paths = (path for folder in folders for path in folder.rglob("*"))
    return sorted(path for path in paths if path.suffix.lower() in _SUFFIXES)


def upright(path: Path) -> NDArray[np.uint8]:
    """A photo as its EXIF turns it, at most 640 pixels on a side."""
    with Image.open(path) as image:
        turned = ImageOps.exif_transpose(image).convert("RGB")
    turned.thumbnail((_SIDE, _SIDE))
    return np.asarray(turned)


def rows(photos: list[Path]) -> Iterator[list[str]]:
    """A row for each photo: its digest, then x and y of each point, empty where it is not seen."""
    finder = Finder()
    for path in track(photos, "finding people"):
        found = finder.find(upright(path))
        points = (found.get(name, ("", "")) for name in (*_FACE, *_BODY))
        yield [hashlib.sha256(path.read_bytes()).hexdigest(), *(_shown(number) for point in points for number in point)]


def _shown(number: float | str) -> str:
    return number if isinstance(number, str) else f"{number:.4f}"


def main() -> None:
    """Writes the file."""
    parser = argparse.ArgumentParser(description="Finds the largest face and one person's arms in photos.")
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="of photos")
    parser.add_argument("-o", "--output", type=Path, required=True, help="people.csv")
    given = parser.parse_args()
    with given.output.open("w", newline="", buffering=1) as file:
        writer = csv.writer(file)
        writer.writerow(["sha256", *(f"{name}_{axis}" for name in (*_FACE, *_BODY) for axis in "xy")])
        writer.writerows(rows(photos_below(given.folders)))


if __name__ == "__main__":
    main()
