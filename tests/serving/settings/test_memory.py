"""Control groups as files: the memory of this machine is what it is."""

import os

import pytest

from serving.settings import Settings
from serving.settings.memory import decoded_bytes, usable_memory

GIB = 1024**3


@pytest.fixture
def memory(tmp_path, monkeypatch):
    """Of a process in these groups, on a machine of 16 GiB."""
    monkeypatch.setattr(os, "sysconf", {"SC_PHYS_PAGES": 16 * GIB // 4096, "SC_PAGE_SIZE": 4096}.__getitem__)

    def count(own: str, files: dict[str, str]) -> int:
        for name, text in files.items():
            file = tmp_path / "cgroup" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        (tmp_path / "own").write_text(own)
        return usable_memory(tmp_path / "cgroup", tmp_path / "own")

    return count


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/\n", {}, 16 * GIB),
        ("0::/\n", {"memory.max": "max\n"}, 16 * GIB),
        ("0::/pod/box\n", {"pod/memory.max": f"{3 * GIB}\n", "pod/box/memory.max": "max\n"}, 3 * GIB),
        ("0::/outside/of/it\n", {"memory.max": f"{GIB}\n"}, GIB),
        ("5:memory:/box\n0::/\n", {"memory/box/memory.limit_in_bytes": f"{2 * GIB}\n"}, 2 * GIB),
        ("5:memory:/box\n", {"memory/box/memory.limit_in_bytes": "9223372036854771712\n"}, 16 * GIB),
    ],
)
def test_the_smallest_limit_around_it_counts(memory, own, files, expected):
    assert memory(own, files) == expected


def test_half_of_it_is_for_decoded_pictures_unless_told_otherwise(monkeypatch):
    monkeypatch.setattr("serving.settings.memory.usable_memory", lambda: 3 * GIB)
    assert decoded_bytes(Settings()) == 3 * GIB // 2
    assert decoded_bytes(Settings(max_decoded_bytes=GIB)) == GIB
    monkeypatch.setattr("serving.settings.memory.usable_memory", lambda: 64 * 1024**2)
    assert decoded_bytes(Settings()) == 128 * 1024**2  # less decodes no ordinary picture
