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
    "serving/observability",
    "serving/open_inference",
    "serving/service",
    "serving/settings",
    "serving/upright",
)
"""Folders whose tests start no server, browser or training of seconds: marked ``quick``."""

_LONG = (
    "contract/test_privacy.py::test_nothing_leaves_the_house[train]",
    "contract/test_readme.py::test_training_on_ones_own_folder",
    "loadtest/test_soak.py::test_a_few_seconds_of_it",
    "serving/versions/test_soak.py",
    "test_workflows.py::test_the_bill_of_materials",
    "training/commands/test_calibrate.py::test_keras_is_imported_without_a_word",
    "training/commands/test_own_classifier.py",
    "training/examples/",
    "training/fitting/test_devices.py::test_two_devices_learn",
    "training/fitting/test_fit.py::test_what_is_learned_from_small_pictures",
    "training/pipeline/test_together.py::test_a_killed_worker",
    "training/pipeline/test_sizes.py::test_the_figures_are_those_of_files_exported_so",
)
"""What takes half a minute and more, and whose parts others test, and the talks' examples: for ``make long``."""

_FIRST = (
    "contract/test_docs.py",
    "training/fitting/test_fit.py",
    "training/fitting/test_tracking.py",
    "training/pipeline/test_search.py",
    "loadtest/test_bench.py",
)
"""Files that take longest of the others: first, so that no worker is left with one when the others are done."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With ``-m quick`` only its folders are read: importing the other tests takes longer than running these."""
    if config.option.markexpr != "quick" or not collection_path.is_relative_to(_TESTS):
        return None
    place = collection_path.relative_to(_TESTS).as_posix()
    wanted = any(f"{place}/".startswith(f"{folder}/") or f"{folder}/".startswith(f"{place}/") for folder in _QUICK)
    return None if wanted or place == "." else True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks by place, not by hand on each test; longest files first, the others in their order."""
    for item in items:
        if _place(item).startswith(_LONG):
            item.add_marker("long")
        elif _place(item).startswith(tuple(f"{folder}/" for folder in _QUICK)):
            item.add_marker("quick")
    items.sort(key=lambda item: next((place for place, file in enumerate(_FIRST) if _place(item).startswith(file)), 99))


def _place(item: pytest.Item) -> str:
    """The test's name as on the command line, from here on."""
    inside = item.path.is_relative_to(_TESTS)
    return item.path.relative_to(_TESTS).as_posix() + "::" + item.nodeid.split("::", 1)[-1] if inside else ""


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
