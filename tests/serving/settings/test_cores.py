"""Control groups as files: those of this machine are what they are."""

import os
from pathlib import Path

import pytest

from serving.settings.cores import usable_cores


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))


@pytest.fixture
def cores(tmp_path):
    """Of a process in these groups, where these files are."""

    def count(own: str, files: dict[str, str]) -> int:
        for name, text in files.items():
            file = tmp_path / "cgroup" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        (tmp_path / "own").write_text(own)
        return usable_cores(tmp_path / "cgroup", tmp_path / "own")

    return count


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("max 100000\n", 8),
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("5000 100000\n", 1),
        ("70000 50000\n", 2),
        ("6400000 100000\n", 8),
    ],
)
def test_a_container_has_its_quota(cores, quota, expected):
    assert cores("0::/\n", {"cpu.max": quota}) == expected


@pytest.mark.parametrize(("quota", "expected"), [("-1\n", 8), ("300000\n", 3), ("150000\n", 2), ("1000\n", 1)])
def test_so_it_has_with_groups_of_version_1(cores, quota, expected):
    own = "4:memory:/docker/abc\n3:cpuset:/docker/abc\n2:cpu,cpuacct:/docker/abc\n0::/system.slice/docker.service\n"
    assert cores(own, {"cpu/cpu.cfs_quota_us": quota, "cpu/cpu.cfs_period_us": "100000\n"}) == expected


def test_a_unit_of_systemd_has_its_own(cores):
    own = "0::/system.slice/loupe.service\n"
    assert cores(own, {"system.slice/loupe.service/cpu.max": "300000 100000\n"}) == 3


def test_the_tightest_group_around_counts(cores):
    files = {"a/cpu.max": "200000 100000\n", "a/b/cpu.max": "max 100000\n", "a/b/c/cpu.max": "400000 100000\n"}
    assert cores("0::/a/b/c\n", files) == 2


def test_other_groups_do_not_count(cores):
    assert cores("0::/a\n", {"a/cpu.max": "max 100000\n", "b/cpu.max": "100000 100000\n"}) == 8


def test_the_affinity_counts_where_there_are_no_groups(tmp_path: Path):
    assert usable_cores(tmp_path, tmp_path / "none") == 8


def test_this_machine_tells_something(monkeypatch):
    monkeypatch.undo()
    assert 1 <= usable_cores() <= len(os.sched_getaffinity(0))
