"""Memory is moved into huge pages with what is in it, where Linux has them."""

from mmap import PAGESIZE
from pathlib import Path

import pytest

from serving.engine import allocator

MIB = 1024 * 1024


def in_huge_pages() -> int:
    """Bytes of this process."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("AnonHugePages"))


def test_what_is_in_use_is_gathered_and_stays_as_it_is():
    used, unused = bytearray(16 * MIB), bytearray(16 * MIB)
    for number, start in enumerate(range(0, len(used), PAGESIZE)):
        used[start] = number % 251
    moved = allocator.gather()
    if not moved:
        pytest.skip("this Linux has no huge pages for those who ask for them")
    assert 14 * MIB <= in_huge_pages() <= moved
    assert [used[start] for start in range(0, len(used), PAGESIZE)] == [
        number % 251 for number in range(len(used) // PAGESIZE)
    ]
    assert not any(unused)


@pytest.mark.parametrize("told", [None, "always madvise [never]"])
def test_nothing_is_moved_where_nobody_wants_it(tmp_path, monkeypatch, told):
    switch = tmp_path / "enabled"
    if told is not None:
        switch.write_text(told)
    monkeypatch.setattr(allocator, "_HUGE_PAGES", switch)
    assert allocator.gather() == 0
