from pathlib import Path

import pytest


@pytest.fixture
def photo(tmp_path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"before" * 10)
    return path
