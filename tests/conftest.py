"""What the tests of all rooms share: real photographs from packages that ship some, and the order that they run in."""

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


_TESTS = Path(__file__).parent

_QUICK = (
    "loupe",
    "models",
    "serving/access",
    "serving/engine",
    "serving/http/routes",
    "serving/observability",
    "serving/open_inference",
    "serving/service",
    "serving/settings",
    "serving/upright",
    "training/photos",
)
"""Folders whose tests start no server, browser or training of seconds: marked ``quick``."""

_LONGEST = (
    "training/commands/test_own_classifier.py",
    "contract/test_docs.py",
    "training/fitting/test_devices.py",
    "training/pipeline/test_sizes.py",
    "contract/test_readme.py",
    "training/fitting/test_fit.py",
)
"""Files that take longest. They come first, so that no worker is left with one when the others are done."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks by folder, not by hand on each test; longest files first, the others in their order."""
    for item in items:
        if _place(item).startswith(tuple(f"{folder}/" for folder in _QUICK)):
            item.add_marker("quick")
    items.sort(key=lambda item: _LONGEST.index(_place(item)) if _place(item) in _LONGEST else len(_LONGEST))


def _place(item: pytest.Item) -> str:
    return item.path.relative_to(_TESTS).as_posix() if item.path.is_relative_to(_TESTS) else ""


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
