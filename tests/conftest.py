"""Real photographs for the tests of all rooms, from packages that ship some; the repository holds none."""

from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

_FILES = {
    "astronaut": ("skimage", "data/astronaut.png"),
    "chelsea": ("skimage", "data/chelsea.png"),
    "coffee": ("skimage", "data/coffee.png"),
    "rocket": ("skimage", "data/rocket.jpg"),
    "china": ("sklearn", "datasets/images/china.jpg"),
    "flower": ("sklearn", "datasets/images/flower.jpg"),
}


@pytest.fixture(scope="session")
def photographs() -> dict[str, bytes]:
    """Encoded photographs by name: PNG or JPEG, upright, without EXIF."""
    return {name: _package_folder(package).joinpath(path).read_bytes() for name, (package, path) in _FILES.items()}


@pytest.fixture(scope="session")
def photograph(photographs: dict[str, bytes]) -> Image.Image:
    """The astronaut, 512 x 512 RGB: nothing in it is symmetrical. Don't change it in place."""
    return Image.open(BytesIO(photographs["astronaut"])).convert("RGB")


def _package_folder(name: str) -> Path:
    spec = find_spec(name)  # finding scikit-learn takes no time, importing it takes a second
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent
