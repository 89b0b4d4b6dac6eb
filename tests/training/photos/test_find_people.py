import hashlib
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from training.photos.points import read_points

SCRIPT = Path("training/photos/find_people.py")


@pytest.mark.long
def test_where_an_astronaut_s_face_and_shoulders_are(tmp_path):
    """In a photo and its mirrored copy, and nowhere on an empty wall; MediaPipe has an environment of its own."""
    photo = Image.fromarray(astronaut())
    photo.save(tmp_path / "a.png")
    photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "b.png")
    Image.new("RGB", (300, 200), "grey").save(tmp_path / "c.png")
    table = tmp_path / "people.csv"
    subprocess.run(
        [".venv-uv/bin/uv", "run", "--quiet", "--script", SCRIPT, tmp_path, "-o", table], check=True, timeout=300
    )
    digests = [hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("a.png", "b.png", "c.png")]
    names = [name.removesuffix("_x") for name in table.read_text().splitlines()[0].split(",")[1::2]]
    points = read_points(table, digests)
    assert (points.where[2, :, 0] == 0).all()
    expected = {"nose": (0.44, 0.26), "left_eye": (0.48, 0.21), "right_shoulder": (0.21, 0.46)}
    for name, place in expected.items():
        seen, x, y = points.where[0, names.index(name)]
        assert seen == 1
        assert (x, y) == pytest.approx(place, abs=0.05)
    mirroring = np.array([[[-1.0, 0, 1], [0, 1, 0]]])
    expected_of_copy = points.moved(np.array([0]), mirroring)[0]
    face = [names.index(name) for name in ("nose", "left_eye", "right_eye", "mouth")]
    np.testing.assert_allclose(points.where[1, face], expected_of_copy[face], atol=0.03)
